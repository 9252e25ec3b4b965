package cwmptest

import "sync"

// Root objects of the two data models that devices have.
const (
	RootTR098 = "InternetGatewayDevice."
	RootTR181 = "Device."
)

// modelOf returns the shared data model for a root; what is no TR-098 root gets TR-181 below that root.
func modelOf(root string) *model {
	if root == RootTR098 {
		return tr098()
	}
	return tr181()
}

var tr098 = sync.OnceValue(func() *model { return parseModel(RootTR098, managementServer+tableTR098) })

var tr181 = sync.OnceValue(func() *model { return parseModel(RootTR181, managementServer+tableTR181) })

// managementServer is alike in both roots (TR-098 2.4.3, TR-181 6).
const managementServer = `
DeviceInfo.Manufacturer string - 64
DeviceInfo.ManufacturerOUI string - 6
DeviceInfo.ModelName string - 64 Recado CPE
DeviceInfo.Description string - 256 Simulated CPE
DeviceInfo.ProductClass string - 64
DeviceInfo.SerialNumber string - 64
DeviceInfo.HardwareVersion string - 64 1.0
DeviceInfo.SoftwareVersion string - 64 2.4.1
DeviceInfo.ProvisioningCode string w 64
DeviceInfo.UpTime unsignedInt - - 0
DeviceInfo.MemoryStatus.Total unsignedInt - - 262144
DeviceInfo.MemoryStatus.Free unsignedInt - - 101412
DeviceInfo.ProcessStatus.CPUUsage unsignedInt - - 7
ManagementServer.EnableCWMP boolean w - 1
ManagementServer.URL string w 256
ManagementServer.Username string w 256
ManagementServer.Password string wh 256
ManagementServer.PeriodicInformEnable boolean w - 1
ManagementServer.PeriodicInformInterval unsignedInt w 1..4294967295 3600
ManagementServer.PeriodicInformTime dateTime w - 0001-01-01T00:00:00Z
ManagementServer.ParameterKey string - 32
ManagementServer.ConnectionRequestURL string - 256
ManagementServer.ConnectionRequestUsername string w 256
ManagementServer.ConnectionRequestPassword string wh 256
ManagementServer.UpgradesManaged boolean w - 0
ManagementServer.CWMPRetryMinimumWaitInterval unsignedInt w 1..65535 5
ManagementServer.CWMPRetryIntervalMultiplier unsignedInt w 1000..65535 2000
Time.Enable boolean w - 1
Time.NTPServer1 string w 64 pool.ntp.org
Time.NTPServer2 string w 64
Time.CurrentLocalTime dateTime - - 0001-01-01T00:00:00Z
`

const tableTR098 = `
DeviceSummary string - 1024 InternetGatewayDevice:1.4[](Baseline:1, EthernetLAN:1, WiFiLAN:2)
DeviceInfo.SpecVersion string - 16 1.0
Time.LocalTimeZone string w 6 -03:00
Time.LocalTimeZoneName string w 64 <-03>3
Layer3Forwarding.DefaultConnectionService string w 256 InternetGatewayDevice.WANDevice.1.WANConnectionDevice.1.WANPPPConnection.1
LANDevice.1.LANHostConfigManagement.DHCPServerEnable boolean w - 1
LANDevice.1.LANHostConfigManagement.MinAddress string w 45 192.168.1.2
LANDevice.1.LANHostConfigManagement.MaxAddress string w 45 192.168.1.254
LANDevice.1.LANHostConfigManagement.SubnetMask string w 45 255.255.255.0
LANDevice.1.LANHostConfigManagement.IPRouters string w 64 192.168.1.1
LANDevice.1.LANHostConfigManagement.DNSServers string w 64 192.168.1.1
LANDevice.1.LANHostConfigManagement.DHCPLeaseTime int w -1..2147483647 86400
LANDevice.1.LANEthernetInterfaceConfig.1.Enable boolean w - 1
LANDevice.1.LANEthernetInterfaceConfig.1.Status string - - Up
LANDevice.1.LANEthernetInterfaceConfig.1.MACAddress string - 17 02:00:00:00:00:01
LANDevice.1.LANEthernetInterfaceConfig.1.Stats.BytesSent unsignedInt - - 102394
LANDevice.1.LANEthernetInterfaceConfig.1.Stats.BytesReceived unsignedInt - - 50918
LANDevice.1.WLANConfiguration.1.Enable boolean w - 1
LANDevice.1.WLANConfiguration.1.RadioEnabled boolean w - 1
LANDevice.1.WLANConfiguration.1.Status string - - Up
LANDevice.1.WLANConfiguration.1.BSSID string - 17 02:00:00:00:01:01
LANDevice.1.WLANConfiguration.1.SSID string w 32 Recado-24
LANDevice.1.WLANConfiguration.1.SSIDAdvertisementEnabled boolean w - 1
LANDevice.1.WLANConfiguration.1.Channel unsignedInt w 0..255 6
LANDevice.1.WLANConfiguration.1.AutoChannelEnable boolean w - 1
LANDevice.1.WLANConfiguration.1.Standard string - 8 n
LANDevice.1.WLANConfiguration.1.BeaconType string w None|Basic|WPA|11i|WPAand11i 11i
LANDevice.1.WLANConfiguration.1.IEEE11iEncryptionModes string w 31 AESEncryption
LANDevice.1.WLANConfiguration.1.IEEE11iAuthenticationMode string w 31 PSKAuthentication
LANDevice.1.WLANConfiguration.1.KeyPassphrase string wh 63 initial-passphrase
LANDevice.1.WLANConfiguration.1.PreSharedKey.1.KeyPassphrase string wh 63 initial-passphrase
LANDevice.1.WLANConfiguration.1.PreSharedKey.1.PreSharedKey string wh 64
LANDevice.1.WLANConfiguration.1.TransmitPower unsignedInt w 0..100 100
LANDevice.1.WLANConfiguration.1.TotalAssociations unsignedInt - - 2
LANDevice.1.WLANConfiguration.1.TotalBytesSent unsignedInt - - 9012342
LANDevice.1.WLANConfiguration.1.TotalBytesReceived unsignedInt - - 1203423
LANDevice.1.WLANConfiguration.5.Enable boolean w - 1
LANDevice.1.WLANConfiguration.5.RadioEnabled boolean w - 1
LANDevice.1.WLANConfiguration.5.Status string - - Up
LANDevice.1.WLANConfiguration.5.BSSID string - 17 02:00:00:00:01:05
LANDevice.1.WLANConfiguration.5.SSID string w 32 Recado-5
LANDevice.1.WLANConfiguration.5.SSIDAdvertisementEnabled boolean w - 1
LANDevice.1.WLANConfiguration.5.Channel unsignedInt w 0..255 36
LANDevice.1.WLANConfiguration.5.AutoChannelEnable boolean w - 1
LANDevice.1.WLANConfiguration.5.Standard string - 8 ac
LANDevice.1.WLANConfiguration.5.BeaconType string w None|Basic|WPA|11i|WPAand11i 11i
LANDevice.1.WLANConfiguration.5.KeyPassphrase string wh 63 initial-passphrase
LANDevice.1.WLANConfiguration.5.PreSharedKey.1.KeyPassphrase string wh 63 initial-passphrase
LANDevice.1.Hosts.HostNumberOfEntries unsignedInt - - 2
LANDevice.1.Hosts.Host.1.IPAddress string - - 192.168.1.10
LANDevice.1.Hosts.Host.1.MACAddress string - - 02:00:00:00:02:01
LANDevice.1.Hosts.Host.1.HostName string - - laptop
LANDevice.1.Hosts.Host.1.InterfaceType string - - 802.11
LANDevice.1.Hosts.Host.1.Active boolean - - 1
LANDevice.1.Hosts.Host.2.IPAddress string - - 192.168.1.11
LANDevice.1.Hosts.Host.2.MACAddress string - - 02:00:00:00:02:02
LANDevice.1.Hosts.Host.2.HostName string - - tv & sofa
LANDevice.1.Hosts.Host.2.InterfaceType string - - Ethernet
LANDevice.1.Hosts.Host.2.Active boolean - - 0
WANDevice.1.WANCommonInterfaceConfig.WANAccessType string - - Ethernet
WANDevice.1.WANCommonInterfaceConfig.PhysicalLinkStatus string - - Up
WANDevice.1.WANCommonInterfaceConfig.TotalBytesSent unsignedInt - - 823746
WANDevice.1.WANCommonInterfaceConfig.TotalBytesReceived unsignedInt - - 28374652
WANDevice.1.X_GponInterafceConfig.RXPower int - - -19
WANDevice.1.X_GponInterafceConfig.TXPower int - - 2
WANDevice.1.X_GponInterafceConfig.Status string - - Up
WANDevice.1.WANConnectionDevice.1.WANPPPConnection.1.Enable boolean w - 1
WANDevice.1.WANConnectionDevice.1.WANPPPConnection.1.ConnectionStatus string - - Connected
WANDevice.1.WANConnectionDevice.1.WANPPPConnection.1.ConnectionType string w IP_Routed|PPPoE_Bridged IP_Routed
WANDevice.1.WANConnectionDevice.1.WANPPPConnection.1.ConnectionTrigger string w AlwaysOn|OnDemand|Manual AlwaysOn
WANDevice.1.WANConnectionDevice.1.WANPPPConnection.1.Name string w 256 internet
WANDevice.1.WANConnectionDevice.1.WANPPPConnection.1.Username string w 64 user@isp.example
WANDevice.1.WANConnectionDevice.1.WANPPPConnection.1.Password string wh 64 initial-password
WANDevice.1.WANConnectionDevice.1.WANPPPConnection.1.ExternalIPAddress string w 45 0.0.0.0
WANDevice.1.WANConnectionDevice.1.WANPPPConnection.1.NATEnabled boolean w - 1
WANDevice.1.WANConnectionDevice.1.WANPPPConnection.1.DNSEnabled boolean w - 1
WANDevice.1.WANConnectionDevice.1.WANPPPConnection.1.DNSOverrideAllowed boolean w - 1
WANDevice.1.WANConnectionDevice.1.WANPPPConnection.1.DNSServers string w 64 198.51.100.1,198.51.100.2
WANDevice.1.WANConnectionDevice.1.WANPPPConnection.1.LastConnectionError string - - ERROR_NONE
WANDevice.1.WANConnectionDevice.1.WANPPPConnection.1.Uptime unsignedInt - - 0
WANDevice.1.WANConnectionDevice.1.WANPPPConnection.1.Stats.EthernetBytesSent unsignedInt - - 823746
WANDevice.1.WANConnectionDevice.1.WANPPPConnection.1.Stats.EthernetBytesReceived unsignedInt - - 28374652
`

const tableTR181 = `
RootDataModelVersion string - 32 2.17
DeviceInfo.FirstUseDate dateTime - - 0001-01-01T00:00:00Z
ManagementServer.AliasBasedAddressing boolean - - 0
ManagementServer.HTTPConnectionRequestEnable boolean w - 1
Time.LocalTimeZone string w 256 <-03>3
WiFi.RadioNumberOfEntries unsignedInt - - 2
WiFi.Radio.1.Enable boolean w - 1
WiFi.Radio.1.Status string - - Up
WiFi.Radio.1.OperatingFrequencyBand string w 2.4GHz|5GHz|6GHz 2.4GHz
WiFi.Radio.1.OperatingStandards string w 64 b,g,n,ax
WiFi.Radio.1.Channel unsignedInt w 1..255 6
WiFi.Radio.1.AutoChannelEnable boolean w - 1
WiFi.Radio.1.OperatingChannelBandwidth string w 20MHz|40MHz|80MHz|160MHz|Auto 20MHz
WiFi.Radio.1.TransmitPower int w -1..100 100
WiFi.Radio.2.Enable boolean w - 1
WiFi.Radio.2.Status string - - Up
WiFi.Radio.2.OperatingFrequencyBand string w 2.4GHz|5GHz|6GHz 5GHz
WiFi.Radio.2.OperatingStandards string w 64 a,n,ac,ax
WiFi.Radio.2.Channel unsignedInt w 1..255 36
WiFi.Radio.2.AutoChannelEnable boolean w - 1
WiFi.Radio.2.OperatingChannelBandwidth string w 20MHz|40MHz|80MHz|160MHz|Auto 80MHz
WiFi.Radio.2.TransmitPower int w -1..100 100
WiFi.SSID.1.Enable boolean w - 1
WiFi.SSID.1.Status string - - Up
WiFi.SSID.1.SSID string w 32 Recado-24
WiFi.SSID.1.BSSID string - 17 02:00:00:00:01:01
WiFi.SSID.1.LowerLayers string w 1024 Device.WiFi.Radio.1
WiFi.SSID.1.Stats.BytesSent unsignedLong - - 9012342
WiFi.SSID.1.Stats.BytesReceived unsignedLong - - 1203423
WiFi.SSID.2.Enable boolean w - 1
WiFi.SSID.2.Status string - - Up
WiFi.SSID.2.SSID string w 32 Recado-5
WiFi.SSID.2.BSSID string - 17 02:00:00:00:01:02
WiFi.SSID.2.LowerLayers string w 1024 Device.WiFi.Radio.2
WiFi.SSID.2.Stats.BytesSent unsignedLong - - 19012342
WiFi.SSID.2.Stats.BytesReceived unsignedLong - - 2203423
WiFi.AccessPoint.1.Enable boolean w - 1
WiFi.AccessPoint.1.SSIDReference string w 256 Device.WiFi.SSID.1
WiFi.AccessPoint.1.SSIDAdvertisementEnabled boolean w - 1
WiFi.AccessPoint.1.IsolationEnable boolean w - 0
WiFi.AccessPoint.1.Security.ModesSupported string - - None,WPA2-Personal,WPA3-Personal
WiFi.AccessPoint.1.Security.ModeEnabled string w None|WPA2-Personal|WPA3-Personal WPA2-Personal
WiFi.AccessPoint.1.Security.KeyPassphrase string wh 63 initial-passphrase
WiFi.AccessPoint.1.Security.PreSharedKey hexBinary wh 64
WiFi.AccessPoint.1.WPS.Enable boolean w - 0
WiFi.AccessPoint.2.Enable boolean w - 1
WiFi.AccessPoint.2.SSIDReference string w 256 Device.WiFi.SSID.2
WiFi.AccessPoint.2.SSIDAdvertisementEnabled boolean w - 1
WiFi.AccessPoint.2.Security.ModesSupported string - - None,WPA2-Personal,WPA3-Personal
WiFi.AccessPoint.2.Security.ModeEnabled string w None|WPA2-Personal|WPA3-Personal WPA2-Personal
WiFi.AccessPoint.2.Security.KeyPassphrase string wh 63 initial-passphrase
Hosts.HostNumberOfEntries unsignedInt - - 2
Hosts.Host.1.IPAddress string - - 192.168.1.10
Hosts.Host.1.PhysAddress string - - 02:00:00:00:02:01
Hosts.Host.1.HostName string - - laptop
Hosts.Host.1.Active boolean - - 1
Hosts.Host.2.IPAddress string - - 192.168.1.11
Hosts.Host.2.PhysAddress string - - 02:00:00:00:02:02
Hosts.Host.2.HostName string - - tv & sofa
Hosts.Host.2.Active boolean - - 0
Ethernet.Interface.1.Enable boolean w - 1
Ethernet.Interface.1.Status string - - Up
Ethernet.Interface.1.Upstream boolean - - 1
Ethernet.Interface.1.MACAddress string - 17 02:00:00:00:00:01
Ethernet.Interface.1.Stats.BytesSent unsignedLong - - 823746
Ethernet.Interface.1.Stats.BytesReceived unsignedLong - - 28374652
Ethernet.VLANTermination.1.VLANID unsignedInt w 0..4094 100
PPP.Interface.1.Enable boolean w - 1
PPP.Interface.1.Status string - - Up
PPP.Interface.1.ConnectionStatus string - - Connected
PPP.Interface.1.ConnectionTrigger string w AlwaysOn|OnDemand|Manual AlwaysOn
PPP.Interface.1.LastConnectionError string - - ERROR_NONE
PPP.Interface.1.Username string w 64 user@isp.example
PPP.Interface.1.Password string wh 64 initial-password
PPP.Interface.1.PPPoE.ServiceName string w 256
PPP.Interface.1.IPCP.LocalIPAddress string - 45 0.0.0.0
IP.Interface.1.Enable boolean w - 1
IP.Interface.1.Status string - - Up
IP.Interface.1.IPv4Address.1.IPAddress string w 45 0.0.0.0
IP.Interface.1.IPv4Address.1.AddressingType string - - IPCP
IP.Interface.1.Stats.BytesSent unsignedLong - - 823746
IP.Interface.1.Stats.BytesReceived unsignedLong - - 28374652
DNS.Client.Enable boolean w - 1
DNS.Client.Server.1.Enable boolean w - 1
DNS.Client.Server.1.DNSServer string w 45 198.51.100.1
DNS.Client.Server.1.Type string - - IPCP
DHCPv4.Server.Pool.1.Enable boolean w - 1
DHCPv4.Server.Pool.1.MinAddress string w 45 192.168.1.2
DHCPv4.Server.Pool.1.MaxAddress string w 45 192.168.1.254
DHCPv4.Server.Pool.1.SubnetMask string w 45 255.255.255.0
DHCPv4.Server.Pool.1.DNSServers string w 64 192.168.1.1
DHCPv4.Server.Pool.1.LeaseTime int w -1..2147483647 86400
Optical.Interface.1.Status string - - Up
Optical.Interface.1.OpticalSignalLevel int - - -19300
Optical.Interface.1.TransmitOpticalLevel int - - 2120
Users.User.1.Username string w 64 admin
Users.User.1.Password string wh 64 initial-password
`

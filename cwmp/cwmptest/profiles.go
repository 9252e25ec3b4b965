package cwmptest

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"recado/cwmp"
)

// Profile is a kind of device: who made it, which data model and CWMP version it speaks, and its habits.
type Profile struct {
	// ID is the identity without a serial number.
	ID cwmp.DeviceID
	// Root is RootTR098 or RootTR181.
	Root string
	// Namespace is the cwmp namespace of its messages.
	Namespace string
	// Quirks are its habits.
	Quirks Quirks
}

// Config makes a Config of the profile for one device; what is the caller's own (ACS URL, network, credentials) is left open.
func (p Profile) Config(serial string) Config {
	id := p.ID
	id.SerialNumber = serial
	return Config{DeviceID: id, Root: p.Root, Namespace: p.Namespace, Quirks: p.Quirks}
}

// ProfileNames lists the names of Profiles in order.
func ProfileNames() []string { return slices.Sorted(maps.Keys(Profiles())) }

// LookupProfile finds a profile by name.
func LookupProfile(name string) (Profile, error) {
	p, ok := Profiles()[name]
	if !ok {
		return Profile{}, fmt.Errorf("no profile %q (there are %v)", name, ProfileNames())
	}
	return p, nil
}

// Profiles returns the profiles by name, a fresh map each time: "plain" misbehaves nowhere, the others are real
// clients as they were observed.
func Profiles() map[string]Profile {
	m := map[string]Profile{
		"plain":    {ID: maker("Recado", "02CD00", "Simulator"), Root: RootTR098, Namespace: cwmp.Namespace10},
		"plain181": {ID: maker("Recado", "02CD00", "Simulator181"), Root: RootTR181, Namespace: cwmp.Namespace12},
	}
	maps.Copy(m, gatewayProfiles())
	maps.Copy(m, simulatorProfiles())
	maps.Copy(m, vendorProfiles())
	return m
}

func maker(manufacturer, oui, class string) cwmp.DeviceID {
	return cwmp.DeviceID{Manufacturer: manufacturer, OUI: oui, ProductClass: class}
}

// gatewayProfiles are the C clients that ship in routers and gateways.
func gatewayProfiles() map[string]Profile {
	m := make(map[string]Profile)

	var q Quirks // easycwmp
	q.EventlessRetry, q.Expect, q.StatusOne, q.WrongValueLater, q.RefusesQuotes = true, true, true, true, true
	q.BrokenLines, q.NoncePerSecond, q.Prefix = true, true, "soap_env"
	m["easycwmp"] = Profile{maker("easycwmp", "FFFFFF", "easycwmp"), RootTR181, cwmp.Namespace12, q}

	q = Quirks{} // icwmp
	q.AuthInformOnly, q.StatusOne, q.Shuffles, q.TypedList, q.BrokenLines = true, true, true, true, true
	q.URL, q.TwoSessions, q.NoncePerSecond, q.Prefix = URLLate, true, true, "soap_env"
	q.SessionTimeout, q.SupportedVersions = 60, "1.0,1.1,1.2,1.3,1.4"
	m["icwmp"] = Profile{maker("iopsys", "002207", "DG400"), RootTR181, cwmp.Namespace12, q}

	q = Quirks{} // freecwmp
	q.CrashOnDeclaration, q.NeedNamespaces, q.ConnPerPost, q.PreemptiveBasic = true, true, true, true
	q.ID, q.UnknownNameLater, q.StatusOne, q.MReboot, q.DoubleCRLF = IDEmpty, true, true, MRebootMissing, true
	q.Prefix = "soap_env"
	m["freecwmp"] = Profile{maker("freecwmp", "FFFFFF", "freecwmp"), RootTR098, cwmp.Namespace12, q}

	q = Quirks{} // netcwmp
	q.RefuseDeclaration, q.EmptyPostFirst, q.AuthInformOnly, q.OldDigest, q.EmptyURI = true, true, true, true, true
	q.OldSchema, q.TypeEverything, q.CurrentTime, q.PasswordsInInform = true, true, TimeNoZone, true
	q.Fault, q.UnknownNameOK, q.MReboot = FaultInString, true, MRebootMissing
	q.SessionDelay, q.ForgetsRequests, q.BootstrapOnBoot = 4*time.Second, true, true
	q.NoCommas, q.Prefix = true, "SOAP-ENV"
	m["netcwmp"] = Profile{maker("netcwmp", "000102", "IPTV"), RootTR098, cwmp.Namespace10, q}

	q = Quirks{} // tr069agent
	q.RefuseDeclaration, q.NeedPrefix, q.BorrowPrefix, q.EmptyPostFirst = true, true, true, true
	q.DiesOn, q.ArrayType, q.OwnUsername, q.Throttle = []string{"unknown"}, "%02d", true, 50
	q.NoBlankLine, q.BareLF, q.Folded, q.Prefix = true, true, true, "soapenv"
	m["tr069agent"] = Profile{maker("Orange", "0007CB", "STB"), RootTR181, cwmp.Namespace10, q}
	return m
}

// simulatorProfiles are simulators and agents in other languages.
func simulatorProfiles() map[string]Profile {
	m := make(map[string]Profile)

	var q Quirks // cwmp-sim
	q.NoCookie, q.PreemptiveBasic, q.KeepChallenge, q.FixedNC, q.ContentType = true, true, true, true, "-"
	q.UndeclaredFault, q.Fault, q.KeepsEntities, q.MReboot = true, FaultSingle, true, MRebootEmptyKey
	q.InformFirst, q.TwoSessions = true, true
	m["cwmp-sim"] = Profile{maker("cwmp-sim", "00D09E", "Sim"), RootTR181, cwmp.Namespace12, q}

	q = Quirks{} // genieacs-sim
	q.PreemptiveBasic, q.DiesOn401, q.StaleCookie, q.DiesOn = true, true, true, []string{"partial"}
	q.ArrayType, q.ReadOnlyOK, q.Prefix, q.CurrentTime = "16", true, "soap-env", TimeMillis
	m["genieacs-sim"] = Profile{maker("genieacs", "202BC1", "BM632w"), RootTR098, cwmp.Namespace10, q}

	q = Quirks{} // anlix-sim, a fork of the above
	q.StaleCookie, q.InformAgainOn, q.DiesOn = true, []string{"unknown"}, []string{"Reboot"}
	m["anlix-sim"] = Profile{maker("anlix", "202BC1", "EC220"), RootTR098, cwmp.Namespace10, q}

	q = Quirks{} // evcpe
	q.RefuseParameterKey, q.TypedStatus, q.Fault, q.InformFirst = true, true, FaultEmptyString, true
	q.DiesOn = []string{"unknown", "GetParameterNames", "Reboot"}
	q.Throttle, q.ContentType, q.Prefix = 60, `text/xml; charset="utf-8"`, "SOAP-ENV"
	m["evcpe"] = Profile{maker("evcpe", "000000", "CPE"), RootTR098, cwmp.Namespace10, q}

	q = Quirks{} // CwmpClient
	q.Prefix, q.UndeclaredXSI, q.ID, q.CommandKey, q.StatusMissing = "none", true, IDMissing, CommandKeyAbsent, true
	m["cwmpclient"] = Profile{maker("CwmpClient", "001122", "Client"), RootTR181, cwmp.Namespace12, q}

	q = Quirks{} // tr069tc
	q.HoldRequests, q.MaxEnvelopes, q.CurrentTime, q.URL = true, 2, Time1970, URLBare
	q.CommandKey, q.ContentType = CommandKeyBlank, "text/plain"
	m["tr069tc"] = Profile{maker("tr069tc", "001A2B", "TC"), RootTR098, cwmp.Namespace10, q}
	return m
}

// vendorProfiles are firmwares as captures and issue threads show them.
func vendorProfiles() map[string]Profile {
	m := make(map[string]Profile)

	var q Quirks // Huawei ONTs
	q.NeedDeclaration, q.PostRoot, q.CommandKey, q.CurrentTime, q.CutsAt = true, true, CommandKeySelf, TimeOffset, 256
	q.Prefix, q.ContentType, q.URL = "SOAP-ENV", "text/xml", URLRandomPath
	m["huawei"] = Profile{maker("Huawei Technologies Co., Ltd", "00259E", "HG8245H"), RootTR098, cwmp.Namespace10, q}

	q = Quirks{} // MikroTik RouterOS
	q.ID, q.CurrentTime, q.Prefix, q.BlankValues = IDMissing, TimeOffset, "soapenv", true
	m["mikrotik"] = Profile{maker("MikroTik", "E48D8C", "hAP mini"), RootTR181, cwmp.Namespace10, q}

	q = Quirks{} // AVM FRITZ!Box
	q.NewConnAfter401, q.URL, q.ReverseEvents, q.NoContent = true, URLRandomPath, true, true
	q.Prefix, q.TypedList, q.CurrentTime = "soap-env", true, TimeOffset
	m["avm"] = Profile{maker("AVM", "00040E", "FRITZ!Box"), RootTR098, cwmp.Namespace12, q}
	return m
}

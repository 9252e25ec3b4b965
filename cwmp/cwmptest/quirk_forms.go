package cwmptest

// SOAPAction says which SOAPAction header goes with an envelope (quirk 15).
type SOAPAction int

// Forms of the SOAPAction header.
const (
	SOAPActionEmpty  SOAPAction = iota // "SOAPAction: ", as TR-069 3.4.1 wants it
	SOAPActionAbsent                   // none
	SOAPActionQuotes                   // SOAPAction: ""
	SOAPActionMethod                   // SOAPAction: cwmp:Inform
)

// IDForm says how cwmp:ID stands in the CPE's requests and answers (quirk 21).
type IDForm int

// Forms of cwmp:ID.
const (
	IDProper   IDForm = iota // own numbers in requests, the ACS's ID echoed in answers
	IDMissing                // no Header at all
	IDEmpty                  // an empty cwmp:ID
	IDConstant               // always 1, in answers too
	IDFirst                  // own numbers in requests; every answer has the ID of the session's first request
)

// CommandKeyForm says how an empty CommandKey of an event is written (quirk 19).
type CommandKeyForm int

// Forms of an empty CommandKey.
const (
	CommandKeyEmpty  CommandKeyForm = iota // <CommandKey></CommandKey>
	CommandKeySelf                         // <CommandKey/>
	CommandKeyAbsent                       // no element
	CommandKeyBlank                        // white space
)

// TimeForm says how CurrentTime is written (quirk 22).
type TimeForm int

// Forms of CurrentTime.
const (
	TimeUTC     TimeForm = iota // 2026-01-02T03:04:05Z
	TimeNoZone                  // 2026-01-02T03:04:05
	TimeOffset                  // 2026-01-02T03:04:05+00:00
	TimeMillis                  // 2026-01-02T03:04:05.678Z
	Time1970                    // a clock that starts with each boot
	TimeUnknown                 // 0001-01-01T00:00:00Z
	TimeGarbage                 // no time at all
)

// URLForm says how the ConnectionRequestURL in Informs looks (quirk 23).
type URLForm int

// Forms of the ConnectionRequestURL.
const (
	URLFull       URLForm = iota // http://10.0.0.7:7547/path
	URLNoPath                    // http://10.0.0.7:7547
	URLBare                      // 10.0.0.7
	URLLate                      // empty in the first session after a boot
	URLRandomPath                // another path after each boot
	URLRandomPort                // another port after each boot
)

// MRebootForm says what becomes of the M Reboot event (quirk 31).
type MRebootForm int

// Forms of M Reboot.
const (
	MRebootKey      MRebootForm = iota // with the CommandKey
	MRebootMissing                     // never sent
	MRebootEmptyKey                    // with an empty CommandKey
)

// FaultForm says how faults look (quirk 25).
type FaultForm int

// Forms of faults.
const (
	FaultProper      FaultForm = iota // 9003 with a SetParameterValuesFault for each parameter
	FaultInString                     // detail nested inside faultstring
	FaultEmptyString                  // an empty FaultString
	FaultSingle                       // the first parameter's code alone, with no SetParameterValuesFault
	FaultNoDetail                     // a bare SOAP fault
)

// DoorAuth says how a connection request has to authenticate.
type DoorAuth int

// Ways of authentication at the connection-request listener.
const (
	DoorDigest    DoorAuth = iota // digest with qop="auth"
	DoorOldDigest                 // digest without qop
	DoorBasic                     // Basic only
	DoorOpen                      // none: every request is taken
)

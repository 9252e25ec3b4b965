package cwmptest

import "time"

// Quirks are the ways in which a Device differs from a well-behaved one, a field for each habit seen on real clients. The
// zero value misbehaves nowhere. "Quirk N" is the number in the project's list of them.
//
// Some of the list need no switch, being what every Device does: an unauthenticated Inform first in each session, the 401,
// and the Inform again (quirk 10; KeepChallenge turns it off), a second 401 with a fresh nonce to a wrong connection-request
// password (quirk 40), and nc counted properly within a nonce on both sides (quirks 12 and 38).
type Quirks struct {
	// What the CPE sends: HTTP and XML.

	// SOAPAction is the form of that header with envelopes (quirk 15).
	SOAPAction SOAPAction
	// ContentType is its value with envelopes; "" is text/xml; charset="utf-8", "-" an empty one, "absent" none (quirk 15).
	ContentType string
	// HeadersOnEmpty sends both headers with empty POSTs too (quirk 15).
	HeadersOnEmpty bool
	// LowerCaseHeaders writes header names in lower case (quirk 15).
	LowerCaseHeaders bool
	// Chunked sends bodies in chunks, without Content-Length (quirk 15).
	Chunked bool
	// Gzip compresses bodies (quirk 15; TR-069 3.4.7 without asking first).
	Gzip bool
	// Expect asks for 100 Continue and waits up to a second for it (quirk 15).
	Expect bool

	// Prefix is that of the SOAP envelope; "" is soap-env, "none" an Envelope in no namespace (quirk 16).
	Prefix string
	// BorrowPrefix takes the envelope prefix of the ACS's last message (quirk 2).
	BorrowPrefix bool
	// UndeclaredFault writes <soap:Fault> with no such prefix declared (quirk 17).
	UndeclaredFault bool
	// UndeclaredXSI leaves the xsi prefix undeclared (quirk 17).
	UndeclaredXSI bool
	// OldSchema declares the XMLSchema namespaces of 1999 (quirk 18).
	OldSchema bool
	// Namespace overrides Config.Namespace (quirk 18): urn:dslforum-org:cwmp-1-4, which does not exist.
	Namespace string
	// SessionTimeout adds that header to Informs, in seconds (quirk 18).
	SessionTimeout int
	// SupportedVersions adds that header to Informs: "1.0,1.1,1.2,1.3,1.4" (quirk 18).
	SupportedVersions string
	// HoldRequests adds that header, as ACSs used to send it (quirk 18).
	HoldRequests bool
	// NoMoreRequests adds the header of the first TR-069 (quirk 18).
	NoMoreRequests bool
	// MaxEnvelopes is its number in Informs; 0 means 1 (quirk 18).
	MaxEnvelopes int

	// TypeEverything puts xsi:type on every element (quirk 19).
	TypeEverything bool
	// TypedStatus puts xsi:type on Status (quirk 19).
	TypedStatus bool
	// TypedList puts xsi:type on ParameterList and Event (quirk 19).
	TypedList bool
	// BrokenLines breaks the Envelope's attributes over lines (quirk 19).
	BrokenLines bool
	// CommandKey is the form of an empty one (quirk 19).
	CommandKey CommandKeyForm
	// ArrayType is a format for the count in arrayType: "" is %d, "16" lies, "%02d" pads, "absent" leaves it out (quirk 20).
	ArrayType string
	// ID is the form of cwmp:ID (quirk 21).
	ID IDForm
	// CurrentTime is its form (quirk 22).
	CurrentTime TimeForm
	// URL is the form of the ConnectionRequestURL (quirk 23).
	URL URLForm
	// PasswordsInInform lists ManagementServer's passwords in clear in every Inform (quirk 24).
	PasswordsInInform bool
	// QualifiedChildren puts the cwmp prefix on children of the message too.
	QualifiedChildren bool
	// BlankValues pads every value with white space, as pretty printers do.
	BlankValues bool
	// NoValueElement leaves out Value where it is empty.
	NoValueElement bool

	// Declaration is what precedes the envelope: "" nothing, else the text as it is.
	Declaration string
	// Latin1 declares ISO-8859-1 and writes such bytes; what Latin-1 lacks becomes a reference.
	Latin1 bool
	// BrokenUTF8 writes Latin-1 bytes with UTF-8 declared.
	BrokenUTF8 bool
	// ControlCharacter puts 0x02 into the value of DeviceInfo.Description and lists it in every Inform.
	ControlCharacter bool
	// BareAmpersand leaves & unescaped in values.
	BareAmpersand bool
	// TrailingNUL puts a NUL after </Envelope>.
	TrailingNUL bool
	// LeadingBlank puts a byte order mark and an empty line before everything.
	LeadingBlank bool

	// How it conducts sessions.

	// RefuseDeclaration drops the session at an InformResponse with <?xml in front (quirk 1).
	RefuseDeclaration bool
	// CrashOnDeclaration drops the session at the first request with <?xml in front (quirk 1, freecwmp).
	CrashOnDeclaration bool
	// NeedDeclaration drops the session at an InformResponse without <?xml (quirk 1, some Huawei).
	NeedDeclaration bool
	// NeedPrefix drops the session at a message whose first element has no prefix (quirk 2).
	NeedPrefix bool
	// NeedNamespaces drops the session at a message that does not declare all five namespaces (quirk 3).
	NeedNamespaces bool
	// EventlessRetry repeats a failed session after 8 s with an empty event list; the events come in the next (quirk 4).
	EventlessRetry bool
	// RefuseParameterKey drops the session at a SetParameterValues that has a ParameterKey element (quirk 5).
	RefuseParameterKey bool

	// ConnPerPost opens a new connection for every POST (quirk 6).
	ConnPerPost bool
	// NewConnAfter401 opens a new connection to answer a challenge (AVM).
	NewConnAfter401 bool
	// NoCookie never sends a cookie back (quirk 7).
	NoCookie bool
	// OldCookie writes cookies as RFC 2109 has them: $Version, $Path, comma.
	OldCookie bool
	// EmptyPostFirst opens each session with an empty POST (quirk 8).
	EmptyPostFirst bool
	// AuthInformOnly sends Authorization with the Inform alone (quirk 9).
	AuthInformOnly bool
	// KeepChallenge goes on with the last challenge over sessions, so that later Informs come authenticated (the opposite of
	// quirk 10; the nonce reuse of quirk 12).
	KeepChallenge bool
	// PreemptiveBasic sends Basic before any challenge (quirk 11).
	PreemptiveBasic bool
	// DiesOn401 ends the session at a 401; it comes back 10 s later (quirk 11).
	DiesOn401 bool
	// OldDigest answers in the form of RFC 2069, without qop (quirk 12).
	OldDigest bool
	// EmptyURI makes the digest's uri "" (quirk 12).
	EmptyURI bool
	// FixedNC repeats nc=00000001 with one nonce (quirk 12).
	FixedNC bool
	// StaleCookie sends the cookies of the last session with a new Inform (quirk 13).
	StaleCookie bool
	// InformAgainOn names requests that are never answered: 3 s later comes a new Inform on the same
	// connection (quirk 13). "unknown" stands for a GetParameterValues of an unknown name.
	InformAgainOn []string
	// DiesOn names requests at which the session dies without an answer (quirk 14). "unknown" stands for
	// methods the CPE has not, "partial" for GetParameterValues of a partial path.
	DiesOn []string
	// PostRoot posts to / whatever the ACS URL says (Huawei).
	PostRoot bool
	// SecondEmptyPost ends a session with one more empty exchange.
	SecondEmptyPost bool

	// ReverseEvents lists events in reverse order (quirk 31).
	ReverseEvents bool
	// MReboot says what becomes of M Reboot (quirk 31).
	MReboot MRebootForm
	// NoBootEvents comes back from a boot with 2 PERIODIC alone: only the up-time shows it (quirk 31).
	NoBootEvents bool
	// BootstrapOnBoot sends 0 BOOTSTRAP alone after each boot (quirk 32).
	BootstrapOnBoot bool
	// SessionDelay is the longest wait between an accepted connection request and its session (quirk 32: 4 s).
	SessionDelay time.Duration
	// ForgetsRequests loses accepted connection requests in a reboot (quirk 32).
	ForgetsRequests bool

	// What it answers.

	// Fault is the form of faults (quirk 25).
	Fault FaultForm
	// UnknownNameOK answers SetParameterValues of an unknown name with Status 0, and GetParameterValues of one with an
	// empty list (quirk 26).
	UnknownNameOK bool
	// UnknownNameLater answers SetParameterValues of an unknown name with Status 1 (quirk 26).
	UnknownNameLater bool
	// WrongValueLater answers a value that does not fit its type with Status 1 and drops it (quirk 26).
	WrongValueLater bool
	// ReadOnlyOK answers SetParameterValues of a read-only name with Status 0 and drops it (quirk 26).
	ReadOnlyOK bool
	// KeepsEntities stores values undecoded, so that & reads back as &amp; (quirk 26).
	KeepsEntities bool
	// StatusOne answers every good SetParameterValues with Status 1 (quirk 27).
	StatusOne bool
	// StatusMissing answers with a ParameterList instead of Status (quirk 28).
	StatusMissing bool
	// RefusesQuotes faults a value with a " in it by 9005 (quirk 29).
	RefusesQuotes bool
	// Shuffles answers GetParameterValues in an order of its own (quirk 30).
	Shuffles bool
	// CutsAt answers at most that many values, without a word (some Huawei: 256).
	CutsAt int
	// ShowsSecrets reads hidden parameters back in clear.
	ShowsSecrets bool

	// How it takes connection requests.

	// DoorAuth is what the listener asks for.
	DoorAuth DoorAuth
	// DoorAlgorithm is the digest's; "" is MD5.
	DoorAlgorithm string
	// NoBlankLine ends replies without the blank line, and closes (quirk 33).
	NoBlankLine bool
	// BareLF ends lines with LF alone (quirk 33).
	BareLF bool
	// Folded folds the challenge over lines (quirk 33).
	Folded bool
	// NoCommas leaves out the commas between the challenge's parameters and adds an empty opaque (quirk 34).
	NoCommas bool
	// NoContent answers 204 rather than 200 (quirk 35).
	NoContent bool
	// ReplyBody adds a body to the 200 (quirk 35).
	ReplyBody bool
	// DoubleCRLF sends one CRLF too many (quirk 35).
	DoubleCRLF bool
	// InformFirst lets the session begin before the reply is written (quirk 36).
	InformFirst bool
	// TwoSessions opens a session for each of several requests (quirk 37).
	TwoSessions bool
	// NoncePerSecond gives all who ask in one second the same nonce (quirk 38).
	NoncePerSecond bool
	// NonceOnce takes each nonce once; again it is stale (quirk 38 turned round).
	NonceOnce bool
	// Throttle answers 503 after that many accepted requests in an hour; 0 is no limit (quirk 39).
	Throttle int
	// BusyInSession answers 503 while a session is live (quirk 39).
	BusyInSession bool
	// OwnUsername makes the user name OUI-ProductClass-Serial, whatever was configured (quirk 41).
	OwnUsername bool
	// DoorStatus answers authenticated requests with that status and ignores them; 0 does not.
	DoorStatus int
	// DoorSilent takes connections and never answers.
	DoorSilent bool
	// DoorHangsUp closes connections without an answer.
	DoorHangsUp bool
}

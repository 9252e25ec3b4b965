package webhook

// ErrorClasses lists all classes of failed attempts.
var ErrorClasses = []ErrorClass{
	ErrorStatus, ErrorRedirect, ErrorTimeout, ErrorDNS, ErrorConnect, ErrorTLS, ErrorRefused, ErrorAnswer, ErrorInternal,
}

var hints = map[ErrorClass]string{
	ErrorStatus: "The receiver answered, but not with 2xx. Look at the attempts: they have the status and the beginning of the answer. " +
		"401 and 403 are mostly a secret or a key that differs; 404 a path that has changed; 429 and 503 ask for a slower pace.",
	ErrorRedirect: "The receiver answered with a redirect, which is not followed. Register the URL that it points to, often the one with https, " +
		"with www, or with a slash at its end.",
	ErrorTimeout: "The receiver did not answer in time. Let it store the event, answer 2xx, and do its work after that; or give it more seconds " +
		"with timeout_seconds, up to 30.",
	ErrorDNS:     "The name in the URL does not resolve. Is it spelt right, has it been moved, does it exist outside of your own network?",
	ErrorConnect: "Nobody took the connection, or it was cut before an answer. Is the receiver running, and does its firewall let this server's address in?",
	ErrorTLS: "The TLS handshake failed. Mostly the certificate has expired, is for another name, lacks an intermediate one, or comes from a private " +
		"authority: give that one with tls.ca. Was a pinned key changed?",
	ErrorRefused: "The name points to an address where webhooks may not go: a private, loopback or link-local one, or another port than allowed. Use a " +
		"public address, or ask the operator to allow the network.",
	ErrorAnswer:   "What came back is no HTTP, or its headers are too long. Does the URL have the right port, and https where TLS is spoken?",
	ErrorInternal: "The attempt was broken off by the server itself, mostly since it was being stopped. It is made again, and there is nothing to do.",
}

// Hint says in plain words what a class of error mostly is, and what to do about it; "" for what is no class.
func Hint(c ErrorClass) string { return hints[c] }

package cwmp

import "errors"

var (
	// ErrMalformed is what Decode returns for bytes that are no CWMP message.
	ErrMalformed = errors.New("malformed message")
	// ErrTooLarge is a message beyond a limit: bytes, depth, elements.
	ErrTooLarge = errors.New("message exceeds a limit")
	// ErrForbidden is a message that is refused for what it holds, such as a DOCTYPE.
	ErrForbidden = errors.New("message holds what is not allowed")
	// ErrNotEncodable is a message that Encode cannot write by the rules: text that XML cannot carry, a key that is too
	// long, a value without type.
	ErrNotEncodable = errors.New("message cannot be written")
	// ErrWithdrawn is what Handler.Sending returns for a request that lost its point since Next gave it: it does not leave, and
	// Next is asked again.
	ErrWithdrawn = errors.New("request is withdrawn")
	// ErrForbiddenAddress is an address that a connection request may not go to.
	ErrForbiddenAddress = errors.New("address is neither the device's own nor allowed")
)

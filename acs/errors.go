package acs

import (
	"errors"
	"fmt"
	"strings"
)

// What stores return, and callers test with errors.Is.
var (
	// ErrNotFound is a thing that does not exist, or belongs to another client.
	ErrNotFound = errors.New("not found")
	// ErrExists is a thing made a second time: a client's name, a router_id of another device.
	ErrExists = errors.New("exists already")
	// ErrConflict is a change made to a version that is no longer the newest.
	ErrConflict = errors.New("changed meanwhile")
	// ErrFinished is a verdict on an action that has one.
	ErrFinished = errors.New("action is finished")
	// ErrNotDue is a timeout before the deadline, by the store's clock.
	ErrNotDue = errors.New("deadline is not reached")
	// ErrPastDeadline is a sending, a success, a failure or a cancelling at or after the deadline, by the store's clock.
	ErrPastDeadline = errors.New("deadline is past")
	// ErrIdempotencyReused is an idempotency key that came before with another body.
	ErrIdempotencyReused = errors.New("idempotency key was used with another request")
	// ErrUnavailable is a store that cannot take writes now (disk full, closing): nothing was stored.
	ErrUnavailable = errors.New("store is unavailable")
)

// What the Service returns besides.
var (
	// ErrDeviceNotFound is a router_id that names no device.
	ErrDeviceNotFound = errors.New("no device has this name")
	// ErrSent is a cancelling of what was sent already.
	ErrSent = errors.New("request was sent to the device already")
	// ErrQueueFull is a device that has MaxPendingPerDevice actions pending.
	ErrQueueFull = errors.New("device has too many pending actions")
	// ErrWebhookQueueFull is a client that has ServiceConfig.MaxWebhookQueue deliveries pending: what another action would have to tell
	// has no room.
	ErrWebhookQueueFull = errors.New("client has too many pending deliveries")
	// ErrUnauthenticated is a token that is missing, unknown or expired.
	ErrUnauthenticated = errors.New("token is missing, unknown or expired")
	// ErrBlocked is a token of a blocked client.
	ErrBlocked = errors.New("client is blocked")
)

// AmbiguousError is a router_id that fits several devices.
type AmbiguousError struct{ Candidates []string }

// Error implements error.
func (e *AmbiguousError) Error() string {
	return fmt.Sprintf("%d devices have this name", len(e.Candidates))
}

// TakenError is a name that another device has. It is ErrExists.
type TakenError struct {
	Field string
	// Device is the one that has the name; empty where the client does not see it.
	Device string
}

// Error implements error.
func (e *TakenError) Error() string { return e.Field + ": belongs to another device" }

// Unwrap makes it ErrExists.
func (e *TakenError) Unwrap() error { return ErrExists }

// InvalidError is a request that cannot be taken. Field is where (a JSON path such as "parameters[2].value"), Problem what is
// wrong and what would be right. It never holds a parameter's value.
type InvalidError struct{ Field, Problem string }

// Error implements error.
func (e *InvalidError) Error() string { return e.Field + ": " + e.Problem }

// ScopeError is an act that the client's scopes do not cover.
type ScopeError struct {
	Scope Scope
	// Names are the parameters that need it, where it is about parameters.
	Names []string
}

// Error implements error.
func (e *ScopeError) Error() string {
	if len(e.Names) > 0 {
		return fmt.Sprintf("scope %s is needed to set %s", e.Scope, strings.Join(e.Names, ", "))
	}
	return fmt.Sprintf("scope %s is needed", e.Scope)
}

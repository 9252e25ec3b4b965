// Package api is Recado's HTTP API for clients: routes, authentication, strict JSON, and the mapping of errors to problems.
//
// A request passes API.ServeHTTP, then observe (request id, access log, panics), then secure (token, limits, scope), then its
// handler: decode, one service call, reply. Handlers return errors; errors.go alone knows what they are in HTTP. The routes are
// one table (routes.go), and docs/openapi.yaml describes each of them.
package api

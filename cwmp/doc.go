// Package cwmp speaks TR-069's CPE WAN Management Protocol from the side of the ACS: SOAP messages and their codec, a
// Server that owns sessions (cookies, turn-taking, authentication, limits) and calls a Handler, and a Requester that
// wakes devices by connection request.
//
// It knows nothing of actions, stores or webhooks: it is to CPE sessions what net/http is to requests. It reads leniently,
// since most real messages break the schema, and writes exactly.
//
// Section numbers are those of TR-069 Issue 1 Amendment 6 Corrigendum 1 (CWMP 1.4).
package cwmp

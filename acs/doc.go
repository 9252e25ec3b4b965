// Package acs is the engine of Recado: actions asked of devices, the devices, and the verdicts.
//
// Two doors lead in. Service is the northbound one: clients submit, follow and cancel actions there. Sessions is the southbound
// one: it implements cwmp.Handler, and what devices say there moves actions on. Connector rings devices that have work waiting;
// Sweeper ends actions at their deadline. The truth is in the Store; signals in memory only wake loops earlier.
//
// Start reading at Action (action.go): its states and who may move it.
package acs

// Package cwmptest is a CPE to test an ACS against: a Device that speaks whole CWMP sessions, obeys, reboots, listens for
// connection requests and misbehaves as real devices do, a Fleet of thousands of them, and a Network in memory that lets
// all of it run inside a testing/synctest bubble, where an hour costs milliseconds.
//
// The flow: New makes a Device from a Config (often from a Profile, which names a real client and its habits); Run boots it
// and then blocks, informing and obeying until its context ends. Controls such as PowerCycle, Offline and Trigger may
// be called from any goroutine meanwhile. What the device did is read from Reboots, Boots, Value and Sessions, or followed
// as it happens by Config.Observe.
//
// A Device writes its messages and HTTP requests byte by byte, with neither the encoder of package cwmp nor net/http's
// client, since most of its worth lies in forms that those would never write. It reads the ACS's messages with cwmp.Decode
// and refuses what needed a repair, as the parsers of real devices do.
//
// "Quirk N" in comments is the Nth of the habits observed on real clients that the project keeps a list of; section numbers
// are those of TR-069 Issue 1 Amendment 6 Corrigendum 1.
//
// Caveats: there is no file transfer (Download answers 9000; TransferComplete can be queued), no AddObject, no XMPP or STUN
// connection request. A Device keeps its state in memory only: power cycles are simulated, not process restarts.
package cwmptest

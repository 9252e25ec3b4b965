//go:build !race

package main

// crashRace builds the program under test with the race detector, as this one is.
const crashRace = false

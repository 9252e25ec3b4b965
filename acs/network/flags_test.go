package network_test

import "flag"

// flagSeed makes other random lives: go test ./acs/network -args -seed 7
var flagSeed = flag.Uint64("seed", 1, "of the random lives")

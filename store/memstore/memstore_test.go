package memstore_test

import (
	"testing"

	"recado/store/memstore"
	"recado/store/storetest"
)

func TestContract(t *testing.T) {
	storetest.Run(t, storetest.Harness{
		Open: func(testing.TB) storetest.Store { return memstore.New() },
	})
}

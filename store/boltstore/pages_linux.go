package boltstore

import (
	"syscall"

	bolt "go.etcd.io/bbolt"
)

// unmapPages takes the file's pages out of the process's resident memory. They stay in the system's cache, and those that are used come
// back by themselves. Nobody may be writing.
func unmapPages(db *bolt.DB) {
	_ = db.View(func(tx *bolt.Tx) error {
		// It is advice: where it fails, nothing is lost.
		_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, db.Info().Data, uintptr(tx.Size()), syscall.MADV_DONTNEED)
		return nil
	})
}

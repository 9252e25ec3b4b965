package boltstore

import (
	"errors"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"

	"recado/acs"
	"recado/store/seal"
)

// Inspect looks whether Open would take the store at path, and gives the facts of each device to see, until see returns false.
// Unlike Open it makes and changes nothing: the files are opened for reading only, and there is false, without an error, where Open
// would make a store. The refusals are Open's, ErrLocked among them. Of Options, Keys and Timeout count. Facts that cannot be read
// are left out.
func Inspect(path string, o Options, see func(acs.Facts) bool) (there bool, err error) {
	if o.Timeout <= 0 {
		o.Timeout = time.Second
	}
	haveMain, err := exists(path)
	if err != nil {
		return false, fmt.Errorf("open store: %w", err)
	}
	haveDevices, err := exists(devicesPath(path))
	switch {
	case err != nil:
		return haveMain, fmt.Errorf("open store: %w", err)
	case !haveMain && haveDevices:
		return false, notUsable(path, fmt.Errorf("it is missing, though %s is there", devicesPath(path)))
	case !haveMain:
		return false, nil
	}
	keys := o.Keys
	if keys == nil {
		if keys, err = seal.Load(keyPath(path)); err != nil {
			return true, fmt.Errorf("open store %s: %w", path, err)
		}
	}
	err = inspectFile(path, kindMain, mainBuckets, o.Timeout, func(tx *bolt.Tx) error { return inspect(tx, keys, see) })
	if err == nil && haveDevices {
		err = inspectFile(devicesPath(path), kindDevices, devicesBuckets, o.Timeout, func(*bolt.Tx) error { return nil })
	}
	return true, err
}

func inspectFile(path, kind string, buckets []string, timeout time.Duration, look func(*bolt.Tx) error) error {
	db, err := openFile(path, kind, buckets, timeout, true)
	if err != nil {
		return err
	}
	return errors.Join(guarded(func() error { return db.View(look) }), db.Close())
}

func inspect(tx *bolt.Tx, keys *seal.Keys, see func(acs.Facts) bool) error {
	if proof := string(tx.Bucket([]byte(bucketMeta)).Get(keyProof)); proof != "" {
		if err := proves(proof, keys); err != nil {
			return err
		}
	}
	facts := tx.Bucket([]byte(bucketFacts))
	if facts == nil {
		return nil
	}
	c := facts.Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		if r, err := decodeFacts(keys, v); err == nil && !see(r.Facts) {
			break
		}
	}
	return nil
}

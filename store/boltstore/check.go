package boltstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
)

// bbolt trusts its file: a page number beyond the end is a fault of the whole process, in a goroutine that nobody can recover.
// So the file's structure is read here first, with every offset checked. The layout is bbolt's, version 2.

const (
	boltMagic   = 0xED0CDAED
	boltVersion = 2

	pageHeaderSize = 16
	metaSize       = 64
	elementSize    = 16
	bucketHeader   = 16

	pageBranch = 0x01
	pageLeaf   = 0x02

	leafIsBucket = 0x01

	maxTreeDepth = 32
)

var (
	errForeign   = errors.New("it is no bbolt file")
	errEmpty     = errors.New("it is empty (0 bytes)")
	errTruncated = errors.New("it is cut short")
	errStructure = errors.New("its structure is damaged")
)

type boltMeta struct {
	pageSize          uint32
	root, high, txid  uint64
	freelist, version uint64
}

// readMeta parses a meta page; ok tells that its checksum is right.
func readMeta(page []byte) (m boltMeta, ok bool) {
	if len(page) < pageHeaderSize+metaSize {
		return m, false
	}
	b := page[pageHeaderSize : pageHeaderSize+metaSize]
	le := binary.LittleEndian
	if le.Uint32(b) != boltMagic {
		return m, false
	}
	m.version = uint64(le.Uint32(b[4:]))
	m.pageSize = le.Uint32(b[8:])
	m.root = le.Uint64(b[16:])
	m.freelist = le.Uint64(b[32:])
	m.high = le.Uint64(b[40:])
	m.txid = le.Uint64(b[48:])
	h := fnv.New64a()
	h.Write(b[:56])
	return m, h.Sum64() == le.Uint64(b[56:])
}

// newestMeta finds the meta page that bbolt will go by.
func newestMeta(f io.ReaderAt, size int64) (boltMeta, error) {
	if size == 0 {
		return boltMeta{}, errEmpty
	}
	var best boltMeta
	found := false
	try := func(at int64) {
		var b [pageHeaderSize + metaSize]byte
		if _, err := f.ReadAt(b[:], at); err != nil {
			return
		}
		m, ok := readMeta(b[:])
		sane := m.pageSize >= 512 && m.pageSize <= 1<<20 && m.pageSize&(m.pageSize-1) == 0
		if ok && sane && m.version == boltVersion && (at == 0 || at == int64(m.pageSize)) && (!found || m.txid > best.txid) {
			best, found = m, true
		}
	}
	try(0)
	for at := int64(512); at <= 1<<20; at *= 2 {
		try(at)
	}
	if !found {
		var b [pageHeaderSize + 4]byte
		f.ReadAt(b[:], 0)
		if binary.LittleEndian.Uint32(b[pageHeaderSize:]) == boltMagic {
			return best, fmt.Errorf("%w: neither of its first pages is right", errStructure)
		}
		return best, errForeign
	}
	if need := int64(best.high) * int64(best.pageSize); best.high > uint64(size) || size < need || size < 2*int64(best.pageSize) {
		return best, fmt.Errorf("%w: %d bytes, %d pages of %d are in use", errTruncated, size, best.high, best.pageSize)
	}
	return best, nil
}

// checker walks all trees of a file.
type checker struct {
	f    io.ReaderAt
	meta boltMeta
	seen []uint64 // a bit for each page
}

// checkFile reads the whole file and reports the first thing in it that bbolt would stumble over.
func checkFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	m, err := newestMeta(f, info.Size())
	if err != nil {
		return err
	}
	c := &checker{f: f, meta: m, seen: make([]uint64, m.high/64+1)}
	// A freelist page may be left from a time when it was synced; it is not read again, but it must not be part of a tree.
	return c.tree(m.root, 0, true)
}

func (c *checker) bad(id uint64, what string) error {
	return fmt.Errorf("%w: page %d %s", errStructure, id, what)
}

// page reads a page with its overflow, once.
func (c *checker) page(id uint64) ([]byte, error) {
	if id < 2 || id >= c.meta.high {
		return nil, c.bad(id, "is outside of the file")
	}
	var head [pageHeaderSize]byte
	at := int64(id) * int64(c.meta.pageSize)
	if _, err := c.f.ReadAt(head[:], at); err != nil {
		return nil, fmt.Errorf("read page %d: %w", id, err)
	}
	if got := binary.LittleEndian.Uint64(head[:]); got != id {
		return nil, c.bad(id, "has another page's number")
	}
	overflow := uint64(binary.LittleEndian.Uint32(head[12:]))
	if overflow >= c.meta.high || id+overflow >= c.meta.high {
		return nil, c.bad(id, "runs out of the file")
	}
	for p := id; p <= id+overflow; p++ {
		if c.seen[p/64]&(1<<(p%64)) != 0 {
			return nil, c.bad(p, "is used twice")
		}
		c.seen[p/64] |= 1 << (p % 64)
	}
	b := make([]byte, (overflow+1)*uint64(c.meta.pageSize))
	if _, err := c.f.ReadAt(b, at); err != nil {
		return nil, fmt.Errorf("read page %d: %w", id, err)
	}
	return b, nil
}

// tree checks the B+tree below a page. Only the root's leaves may hold buckets: the stores have one level of them.
func (c *checker) tree(id uint64, depth int, root bool) error {
	var last []byte
	return c.node(id, depth, root, nil, &last)
}

// node checks a page. Its first key must be low, the key that its parent has for it (nil: it is a root): bbolt finds the parent's
// entry by it, and would make a second one. All keys must be above last, which node moves on.
func (c *checker) node(id uint64, depth int, root bool, low []byte, last *[]byte) error {
	if depth > maxTreeDepth {
		return c.bad(id, "is nested too deep")
	}
	b, err := c.page(id)
	if err != nil {
		return err
	}
	switch flags := binary.LittleEndian.Uint16(b[8:]); flags {
	case pageBranch:
		return c.branch(id, b, depth, root, low, last)
	case pageLeaf:
		return c.leaf(id, b, root, low, last)
	default:
		return c.bad(id, "is neither branch nor leaf")
	}
}

func (c *checker) branch(id uint64, b []byte, depth int, root bool, low []byte, last *[]byte) error {
	count := int(binary.LittleEndian.Uint16(b[10:]))
	if count == 0 || pageHeaderSize+count*elementSize > len(b) {
		return c.bad(id, "has an impossible number of children")
	}
	var before []byte
	for i := range count {
		e := pageHeaderSize + i*elementSize
		pos, ksize := uint64(binary.LittleEndian.Uint32(b[e:])), uint64(binary.LittleEndian.Uint32(b[e+4:]))
		start := uint64(e) + pos
		if pos == 0 || start+ksize > uint64(len(b)) {
			return c.bad(id, "has a key outside of it")
		}
		key := b[start : start+ksize]
		if i == 0 && low != nil && string(key) != string(low) || i > 0 && string(key) <= string(before) ||
			*last != nil && string(*last) >= string(key) {
			return c.bad(id, "has keys out of order")
		}
		before = key
		if err := c.node(binary.LittleEndian.Uint64(b[e+8:]), depth+1, root, key, last); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) leaf(id uint64, b []byte, root bool, low []byte, last *[]byte) error {
	count := int(binary.LittleEndian.Uint16(b[10:]))
	if pageHeaderSize+count*elementSize > len(b) || count == 0 && low != nil {
		return c.bad(id, "has an impossible number of records")
	}
	for i := range count {
		e := pageHeaderSize + i*elementSize
		flags := binary.LittleEndian.Uint32(b[e:])
		pos, ksize := uint64(binary.LittleEndian.Uint32(b[e+4:])), uint64(binary.LittleEndian.Uint32(b[e+8:]))
		vsize := uint64(binary.LittleEndian.Uint32(b[e+12:]))
		start := uint64(e) + pos
		if pos == 0 || ksize == 0 || start+ksize+vsize > uint64(len(b)) {
			return c.bad(id, "has a record outside of it")
		}
		key := b[start : start+ksize]
		if i == 0 && low != nil && string(key) != string(low) || *last != nil && string(key) <= string(*last) {
			return c.bad(id, "has keys out of order")
		}
		*last = key
		switch {
		case flags == 0 && !root:
		case flags == leafIsBucket && root:
			if err := c.bucket(id, b[start+ksize:start+ksize+vsize]); err != nil {
				return err
			}
		default:
			return c.bad(id, "has a record of an unknown sort")
		}
	}
	return nil
}

// bucket checks a bucket's record: a root page of its own, or a small leaf kept inside.
func (c *checker) bucket(id uint64, v []byte) error {
	if len(v) < bucketHeader {
		return c.bad(id, "has a bucket that is cut short")
	}
	if root := binary.LittleEndian.Uint64(v); root != 0 {
		return c.tree(root, 0, false)
	}
	inline := v[bucketHeader:]
	if len(inline) < pageHeaderSize || binary.LittleEndian.Uint16(inline[8:]) != pageLeaf {
		return c.bad(id, "has a bucket without a page")
	}
	var last []byte
	return c.leaf(id, inline, false, nil, &last)
}

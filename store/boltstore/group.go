package boltstore

import (
	"encoding/binary"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"

	"recado/acs"
	"recado/webhook"
)

// group is one transaction with the operations that share it. What the operations change of the indexes in memory is an overlay
// here until the commit; those after see it, readers do not.
type group struct {
	db      *DB
	tx      *bolt.Tx
	now     time.Time
	buckets map[string]*bolt.Bucket

	puts   int   // also deletions
	broken error // a put that failed: nobody's fault, everybody's failure

	live    map[acs.Protocolo]*live // nil: no longer live
	pending map[string]int          // by device: how many pending actions more, or fewer, than the memory says
	idem    map[idemKey]idemEntry
	creates int
	seq     map[string]uint64
	// endpoints are copies that may be changed; nil: deleted. unhealthy are those whose health record has to be written.
	endpoints map[string]*webhook.Endpoint
	unhealthy map[string]bool

	// auditHead is the last entry of the audit record, once auditing is true.
	auditHead acs.AuditMark
	auditing  bool

	tallied bool // the counters are written with this group

	after []func() // after the commit, with the memory locked
	undo  []func() // after a failed one, with the memory locked
}

func (g *group) bucket(name string) *bolt.Bucket {
	b, ok := g.buckets[name]
	if !ok {
		b = g.tx.Bucket([]byte(name))
		if timeOrdered[name] {
			b.FillPercent = 0.9
		}
		g.buckets[name] = b
	}
	return b
}

func (g *group) get(bucket string, key []byte) []byte { return g.bucket(bucket).Get(key) }

func (g *group) put(bucket string, key, value []byte) {
	g.puts++
	if err := g.bucket(bucket).Put(key, value); err != nil && g.broken == nil {
		g.broken = fmt.Errorf("put into %s: %w", bucket, err)
	}
}

func (g *group) delete(bucket string, key []byte) {
	g.puts++
	if err := g.bucket(bucket).Delete(key); err != nil && g.broken == nil {
		g.broken = fmt.Errorf("delete from %s: %w", bucket, err)
	}
}

// then adds a change of the memory that the commit brings.
func (g *group) then(f func()) { g.after = append(g.after, f) }

// run runs one operation. An error that it returns before its first put is its own; anything else breaks the group.
func (g *group) run(o *op) {
	before := g.puts
	defer func() {
		if p := recover(); p != nil {
			g.broken = fmt.Errorf("operation panicked: %v", p)
		}
	}()
	o.err = o.do(g)
	if o.err != nil && g.puts != before && g.broken == nil {
		g.broken = fmt.Errorf("operation gave up halfway: %w", o.err)
	}
}

// finish adds what belongs to the whole group.
func (g *group) finish() {
	if g.puts == 0 {
		return
	}
	if g.creates > 0 {
		g.expireIdempotency(2*g.creates + 8)
	}
	if len(g.seq) > 0 {
		g.mergeSequences()
	}
	if g.auditing {
		g.put(bucketMeta, keyAuditHead, encodeMark(g.auditHead))
	}
	for id := range g.unhealthy {
		if e := g.endpoints[id]; e != nil {
			g.putHealth(e)
		}
	}
	g.put(bucketMeta, keyCommits, binary.BigEndian.AppendUint64(nil, commits(g.tx)+1))
}

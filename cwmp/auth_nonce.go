package cwmp

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"sync"
	"time"
)

// nonceLifetime is how long a nonce can be answered.
const nonceLifetime = 5 * time.Minute

// nonces makes the Server's nonces and remembers those that were used.
//
// A nonce is its time of issue, random bytes and a MAC over both, so nothing is kept for challenges that nobody answers.
// It is not bound to a connection: AVM devices answer on a new one. What was used is kept in two generations, the older
// of which is dropped whole; nonces from before that count as stale, so a full memory never lets a replay through.
type nonces struct {
	key   []byte
	start time.Time
	max   int // used nonces in one generation

	mu          sync.Mutex
	young, old  map[nonceID]uint32 // the highest nc that was seen
	youngMade   time.Duration      // the latest time of issue in young, since start
	oldMade     time.Duration
	forgotUntil time.Duration // all issued up to here is stale
	rotated     time.Time
}

type nonceID [8]byte

const (
	nonceBody = 16 // time and random bytes
	nonceMAC  = 16
)

func newNonces(most int) *nonces {
	n := &nonces{key: make([]byte, 32), start: time.Now(), max: most, young: map[nonceID]uint32{}, rotated: time.Now(), forgotUntil: -1}
	_, _ = rand.Read(n.key) // never fails
	return n
}

func (n *nonces) mac(body []byte) []byte {
	m := hmac.New(sha256.New, n.key)
	m.Write(body)
	return m.Sum(nil)[:nonceMAC]
}

// make returns a new nonce.
func (n *nonces) make() string {
	b := make([]byte, nonceBody, nonceBody+nonceMAC)
	binary.BigEndian.PutUint64(b, uint64(time.Since(n.start)))
	_, _ = rand.Read(b[8:])
	return hex.EncodeToString(append(b, n.mac(b)...))
}

// use reports whether nonce is ours, young enough and not yet used with this nc or a higher one, and marks it used. In the
// form of RFC 2069, which has no nc, a nonce is good once: nc is math.MaxUint32 then.
func (n *nonces) use(nonce string, nc uint32) bool {
	if len(nonce) != 2*(nonceBody+nonceMAC) {
		return false
	}
	b, err := hex.DecodeString(nonce)
	if err != nil || !hmac.Equal(b[nonceBody:], n.mac(b[:nonceBody])) {
		return false
	}
	made := time.Duration(binary.BigEndian.Uint64(b))
	id := nonceID(b[8:nonceBody])

	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	if age := now.Sub(n.start) - made; age > nonceLifetime || made <= n.forgotUntil {
		return false
	}
	if nc == 0 || nc <= n.young[id] || nc <= n.old[id] {
		return false
	}
	if len(n.young) >= n.max || now.Sub(n.rotated) > nonceLifetime {
		n.rotate(now)
	}
	n.young[id] = nc
	n.youngMade = max(n.youngMade, made)
	return true
}

func (n *nonces) rotate(now time.Time) {
	if len(n.old) > 0 {
		n.forgotUntil = max(n.forgotUntil, min(n.oldMade, now.Sub(n.start)))
	}
	n.old, n.oldMade = n.young, n.youngMade
	n.young, n.youngMade = make(map[nonceID]uint32), 0
	n.rotated = now
}

// onceOnly is the nc of an answer that has none.
const onceOnly = math.MaxUint32

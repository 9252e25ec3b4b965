package boltstore

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"strings"
	"time"

	"recado/acs"
)

// Buckets of the main file.
const (
	bucketMeta    = "meta"
	bucketAct     = "act"
	bucketDue     = "due"
	bucketIdem    = "idem"
	bucketEvt     = "evt"
	bucketDlv     = "dlv"
	bucketPend    = "pend"
	bucketDead    = "dead"
	bucketAtt     = "att"
	bucketEp      = "ep"
	bucketHealth  = "eph"
	bucketEpGone  = "epgone"
	bucketCli     = "cli"
	bucketTok     = "tok"
	bucketFacts   = "facts"
	bucketFname   = "fname"
	bucketSeq     = "seq"
	bucketSeqLog  = "seqlog"
	bucketAudit   = "audit"
	bucketQuota   = "quota"
	bucketReplay  = "rpl"
	bucketRunning = "rplrun"
	bucketStat    = "stat"
)

// Buckets of the devices file, besides meta.
const (
	bucketDev   = "dev"
	bucketSeen  = "seen"
	bucketName  = "name"
	bucketTypes = "types"
	bucketTset  = "tset"
)

var (
	mainBuckets = []string{
		bucketMeta, bucketAct, bucketDue, bucketIdem, bucketEvt, bucketDlv, bucketPend, bucketDead, bucketAtt, bucketEp, bucketHealth, bucketEpGone,
		bucketCli, bucketTok, bucketFacts, bucketFname, bucketSeq, bucketSeqLog, bucketAudit, bucketQuota,
		bucketReplay, bucketRunning, bucketStat,
	}
	devicesBuckets = []string{bucketMeta, bucketDev, bucketSeen, bucketName, bucketTypes, bucketTset}

	// timeOrdered buckets only ever grow at their end: their pages can be filled.
	timeOrdered = map[string]bool{
		bucketAct: true, bucketDue: true, bucketIdem: true, bucketEvt: true, bucketDlv: true, bucketPend: true, bucketAtt: true,
		bucketSeqLog: true, bucketAudit: true,
	}
)

// Prefixes of ids.
const (
	prefixEvent    = "evt_"
	prefixDelivery = "dlv_"
)

const oddID = 0xFF

// idKey is the key of an id: the 16 bytes of prefix + UUIDv7 hex, or oddID and the text.
func idKey(prefix, id string) []byte {
	if s, ok := strings.CutPrefix(id, prefix); ok && len(s) == 32 && s == strings.ToLower(s) {
		if b, err := hex.DecodeString(s); err == nil && b[0] != oddID {
			return b
		}
	}
	return append([]byte{oddID}, bound(id)...)
}

// maxKeyPart keeps every key far below bbolt's limit of 32 KiB, and some keys on every page.
const maxKeyPart = 448

// bound gives s, or for a long one its beginning and its hash: it still sorts by its beginning, and is still its own.
func bound(s string) string {
	if len(s) <= maxKeyPart {
		return s
	}
	h := sha256.Sum256([]byte(s))
	return s[:maxKeyPart] + "\x00" + string(h[:])
}

// textKey is the key of an id that has no order in time. A key cannot be empty: what is, or begins with a zero byte, gets one
// more in front.
func textKey(id string) []byte {
	if id == "" || id[0] == 0 {
		return append([]byte{0}, bound(id)...)
	}
	return []byte(bound(id))
}

// textID gives the id of a textKey; whole is false where the key has only its beginning.
func textID(key []byte) (id string, whole bool) {
	if len(key) > 0 && key[0] == 0 {
		key = key[1:]
	}
	return string(key), len(key) <= maxKeyPart
}

const signBit = 1 << 63

func timeKey(t time.Time) []byte { return binary.BigEndian.AppendUint64(nil, uint64(nanos(t))^signBit) }

// nanos is UnixNano held to its range, the years 1678 to 2261.
func nanos(t time.Time) int64 {
	switch {
	case t.Year() >= 2262:
		return math.MaxInt64
	case t.Year() <= 1677:
		return math.MinInt64
	}
	return t.UnixNano()
}

func keyTime(k []byte) int64 { return int64(binary.BigEndian.Uint64(k) ^ signBit) }

// stamped is a time and a protocolo: the keys of due and idem.
func stamped(t time.Time, id acs.Protocolo) []byte { return append(timeKey(t), id[:]...) }

const stampedLen = 24

func splitStamped(k []byte) (at int64, id acs.Protocolo, ok bool) {
	if len(k) != stampedLen {
		return 0, id, false
	}
	return keyTime(k), acs.Protocolo(k[8:]), true
}

func attemptKey(delivery []byte, number int) []byte {
	k := append(make([]byte, 0, len(delivery)+4), delivery...)
	return binary.BigEndian.AppendUint32(k, uint32(number))
}

// Kinds of names that a device is found by.
const (
	nameRouterID byte = 'r'
	namePPPoE    byte = 'p'
	nameSerial   byte = 's'
	nameMAC      byte = 'm'
	nameUser     byte = 'u' // of facts' CWMPAuth
)

// nameKey is where the devices of a name begin: the kind and half a hash of the name; the device's id follows.
func nameKey(kind byte, name string) []byte {
	h := sha256.Sum256([]byte(name))
	return append([]byte{kind}, h[:10]...)
}

// unixNano and fromNano write times in devices' records; zero is the zero time.
func unixNano(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return nanos(t)
}

func fromNano(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

package network

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// ErrSeries is stored bytes that are no Series.
var ErrSeries = errors.New("not a series")

// seriesVersion is the first byte. Version 1: uvarint of the newest hour since 1970, a 16-bit set of the metrics that follow, and
// for each in order two rings (hours, days) and its open hours. A ring is a uvarint of how many slots it has, 0 for none, of
// the age of the newest of them, and their codes from the oldest on, as bits, the highest bit first; it begins and ends with a
// slot that is no gap. An open hour that is no gap is a 32-bit float of its mean and 16 bits of its weight. Little endian.
const seriesVersion = 1

// AppendBinary appends the stored form, at most MaxSeriesBytes.
func (s *Series) AppendBinary(b []byte) ([]byte, error) {
	b = append(b, seriesVersion)
	b = binary.AppendUvarint(b, uint64(s.newest))
	set := len(b)
	b = append(b, 0, 0)
	var mask uint16
	for m := RxPower; m <= kept; m++ {
		c := s.columns[m]
		if c == nil {
			continue
		}
		before := len(b)
		b = appendRing(b, c.hours[:], s.newest, scales[m].bits)
		b = appendRing(b, c.days[:], s.newest/24, scales[m].bits)
		if len(b) == before+2 {
			b = b[:before] // both rings are empty by now
			continue
		}
		mask |= 1 << m
		for h := s.newest; h > s.newest-openHours; h-- {
			if c.hours[h%KeptHours] != 0 {
				b = binary.LittleEndian.AppendUint32(b, math.Float32bits(c.open[h%openHours].mean))
				b = binary.LittleEndian.AppendUint16(b, c.open[h%openHours].weight)
			}
		}
	}
	binary.LittleEndian.PutUint16(b[set:], mask)
	return b, nil
}

func appendRing(b []byte, ring []uint16, newest int64, bits int) []byte {
	slots := int64(len(ring))
	young, old := int64(0), min(slots-1, newest)
	for young <= old && ring[(newest-young)%slots] == 0 {
		young++
	}
	if young > old {
		return append(b, 0)
	}
	for ring[(newest-old)%slots] == 0 {
		old--
	}
	b = binary.AppendUvarint(b, uint64(old-young+1))
	b = binary.AppendUvarint(b, uint64(young))
	held, width := uint32(0), 0
	for age := old; age >= young; age-- {
		held, width = held<<bits|uint32(ring[(newest-age)%slots]), width+bits
		for ; width >= 8; width -= 8 {
			b = append(b, byte(held>>(width-8)))
		}
	}
	if width > 0 {
		b = append(b, byte(held<<(8-width)))
	}
	return b
}

// UnmarshalBinary replaces the series by a stored one. On an error, which wraps ErrSeries, it is left empty.
func (s *Series) UnmarshalBinary(b []byte) error {
	*s = Series{}
	d := decoder{rest: b}
	if v := d.byte(); v != seriesVersion {
		return fmt.Errorf("%w: version %d", ErrSeries, v)
	}
	newest := d.uvarint(maxHour)
	mask := uint16(d.fixed(2))
	if mask&^(1<<(kept+1)-2) != 0 || newest == 0 && mask != 0 {
		d.bad = true
	}
	read := Series{newest: newest}
	for m := RxPower; m <= kept && !d.bad; m++ {
		if mask>>m&1 == 0 {
			continue
		}
		c := new(column)
		read.columns[m] = c
		some := d.ring(c.hours[:], newest, scales[m])
		if !d.ring(c.days[:], newest/24, scales[m]) && !some {
			d.bad = true
		}
		for h := newest; h > newest-openHours && !d.bad; h-- {
			if h > 0 && c.hours[h%KeptHours] != 0 {
				d.open(&c.open[h%openHours], m)
			}
		}
	}
	if d.bad || len(d.rest) > 0 {
		return fmt.Errorf("%w: malformed", ErrSeries)
	}
	*s = read
	return nil
}

// decoder reads what appendRing and AppendBinary write; bad is set by the first thing that they would not.
type decoder struct {
	rest []byte
	bad  bool
}

func (d *decoder) take(n int) []byte {
	if d.bad || n > len(d.rest) {
		d.bad = true
		return make([]byte, n)
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b
}

func (d *decoder) byte() byte { return d.take(1)[0] }

func (d *decoder) fixed(n int) (v uint64) {
	for i, b := range d.take(n) {
		v |= uint64(b) << (8 * i)
	}
	return v
}

func (d *decoder) uvarint(limit int64) int64 {
	v, n := binary.Uvarint(d.rest)
	if d.bad || n <= 0 || v > uint64(limit) {
		d.bad = true
		return 0
	}
	d.rest = d.rest[n:]
	return int64(v)
}

// ring reads one ring; false where it is empty.
func (d *decoder) ring(ring []uint16, newest int64, s scale) bool {
	slots := int64(len(ring))
	n := d.uvarint(slots)
	if d.bad || n == 0 {
		return false
	}
	young := d.uvarint(slots - n)
	packed := d.take((int(n)*s.bits + 7) / 8)
	if d.bad || young+n-1 > newest {
		d.bad = true
		return false
	}
	held, width := uint32(0), 0
	for age := young + n - 1; age >= young; age-- {
		for ; width < s.bits; width += 8 {
			held, packed = held<<8|uint32(packed[0]), packed[1:]
		}
		width -= s.bits
		code := uint16(held >> width & (1<<s.bits - 1))
		edge := age == young || age == young+n-1
		if code > s.top() || code == 0 && edge {
			d.bad = true
			return false
		}
		ring[(newest-age)%slots] = code
	}
	return true
}

func (d *decoder) open(o *open, m Metric) {
	o.mean = math.Float32frombits(uint32(d.fixed(4)))
	o.weight = uint16(d.fixed(2))
	// A mean is a float32: it may be beyond a limit by its last bits.
	mean, scale := float64(o.mean), scales[m]
	if !(mean >= scale.lo-1e-3 && mean <= scale.hi*(1+1e-6)+1e-3) || o.weight == 0 {
		d.bad = true
	}
}

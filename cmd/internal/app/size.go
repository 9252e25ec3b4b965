package app

import (
	"fmt"
	"strconv"
	"strings"
)

// Size is a number of bytes. As text it is a number with KiB or MiB behind, or without for bytes.
type Size int64

// Units of a Size.
const (
	KiB Size = 1 << 10
	MiB Size = 1 << 20
)

// String implements fmt.Stringer, in the largest unit that it is whole in.
func (s Size) String() string {
	switch {
	case s != 0 && s%MiB == 0:
		return fmt.Sprintf("%dMiB", int64(s/MiB))
	case s != 0 && s%KiB == 0:
		return fmt.Sprintf("%dKiB", int64(s/KiB))
	}
	return strconv.FormatInt(int64(s), 10)
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Size) UnmarshalText(text []byte) error {
	number, unit := string(text), Size(1)
	for suffix, u := range map[string]Size{"KiB": KiB, "MiB": MiB} {
		if n, ok := strings.CutSuffix(number, suffix); ok {
			number, unit = n, u
			break
		}
	}
	n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
	if err != nil || n > 1<<40 || n < -1<<40 {
		return fmt.Errorf("%.40q is no size; want a number of bytes, such as 8388608, 512KiB or 8MiB", text)
	}
	*s = Size(n) * unit
	return nil
}

package cwmp

// Limits bound what Decode reads. They are checked on the bytes, before anything is built of them. A field that is
// 0 or less has its value of DefaultLimits.
type Limits struct {
	// Bytes is the size of a message, after inflating.
	Bytes int64
	// Depth is how deep elements may nest; the Envelope is 1.
	Depth int
	// Elements counts elements, and comments, CDATA sections and processing instructions with them. A message may
	// have twice as many attributes in all.
	Elements int
	// Attributes is the number of attributes on one element, namespace declarations included.
	Attributes int
	// NameLength is the length of one element or attribute name with its prefix, in bytes.
	NameLength int
	// TextLength is the length of one text or attribute value, in bytes as written.
	TextLength int
}

// DefaultLimits leave room for the whole parameter tree of a large gateway, several MB in the field.
var DefaultLimits = Limits{
	Bytes:      8 << 20,
	Depth:      64,
	Elements:   400_000,
	Attributes: 64,
	NameLength: 256,
	TextLength: 1 << 20,
}

func (l Limits) withDefaults() Limits {
	d := DefaultLimits
	if l.Bytes > 0 {
		d.Bytes = l.Bytes
	}
	for _, f := range []struct {
		to   *int
		from int
	}{
		{&d.Depth, l.Depth},
		{&d.Elements, l.Elements},
		{&d.Attributes, l.Attributes},
		{&d.NameLength, l.NameLength},
		{&d.TextLength, l.TextLength},
	} {
		if f.from > 0 {
			*f.to = f.from
		}
	}
	return d
}

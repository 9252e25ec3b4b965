package cwmp

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/beevik/etree"
)

// The builder's tree is held to the one of etree's own reader, on the same bytes: those of a message as repaired. Where
// that reader refuses, the builder does, but for two things:
//
//   - A name by the fifth edition of XML 1.0 (2008) that was none by the fourth, whose tables encoding/xml has. The
//     fifth is what counts, and it only adds names.
//   - A processing instruction called xml with a version other than 1.0. Such a declaration is refused no more than
//     one in its place, whose version nothing reads either.

// oldName is what encoding/xml says of a name it does not know.
var oldName = regexp.MustCompile(`invalid XML name: (.*[^\x00-\x7f].*)$`)

func isExcused(err error) bool {
	var syntax *xml.SyntaxError
	if errors.As(err, &syntax) {
		return oldName.MatchString(syntax.Msg)
	}
	return err != nil && strings.Contains(err.Error(), "unsupported version")
}

// compareTrees reads a message both ways, as far as the first walk lets it.
func compareTrees(t *testing.T, body []byte) {
	t.Helper()
	l := DefaultLimits
	d, err := prepare(body)
	if err != nil || len(body) > 1<<20 {
		return
	}
	clean, _ := cleanCharacters(d.b)
	s := scanner{b: clean, base: d.base, l: l}
	end, err := s.scan()
	if err != nil {
		// What the first walk refuses, etree's reader never sees. Only that refusals are not too many is checked here.
		checkRefusal(t, clean, err)
		return
	}
	repaired := s.repaired(end)
	got, gotErr := buildTree(repaired, l)
	doc := etree.NewDocument()
	doc.ReadSettings.MaxDepth = l.Depth
	wantErr := doc.ReadFromBytes(repaired)
	switch {
	case gotErr != nil && !errors.Is(gotErr, ErrMalformed):
		t.Errorf("error: got %v, want it to be of the kind %v\n%q", gotErr, ErrMalformed, repaired)
	case gotErr == nil && wantErr != nil:
		if !isExcused(wantErr) {
			t.Errorf("accepted what etree's reader refuses: %v\n%q", wantErr, repaired)
		}
	case gotErr != nil && wantErr == nil:
		t.Errorf("refused what etree's reader accepts: %v\n%q", gotErr, repaired)
	case gotErr == nil:
		if got.Parent() != nil {
			t.Errorf("the root has a parent")
		}
		if diff := differ("", got, doc.Root()); diff != "" {
			t.Errorf("%s\n%q", diff, repaired)
		}
	}
}

// checkRefusal holds the first walk's refusals against etree's reader, which takes a few things that the scanner has
// never let pass: directives, text around the root element, and several root elements or none.
func checkRefusal(t *testing.T, b []byte, err error) {
	t.Helper()
	if !errors.Is(err, ErrMalformed) {
		return
	}
	doc := etree.NewDocument()
	doc.ReadSettings.MaxDepth = DefaultLimits.Depth
	if doc.ReadFromBytes(b) != nil || len(doc.ChildElements()) != 1 {
		return
	}
	for _, c := range doc.Child {
		if c, ok := c.(*etree.CharData); ok && (!c.IsWhitespace() || c.Data == "") {
			return
		}
		if _, ok := c.(*etree.Directive); ok {
			return
		}
	}
	t.Errorf("the scanner refuses what etree's reader accepts: %v\n%q", err, b)
}

// differ tells the first difference of two elements, "" for none.
func differ(path string, got, want *etree.Element) string {
	path += "/" + want.FullTag()
	if got.Space != want.Space || got.Tag != want.Tag {
		return fmt.Sprintf("%s: got name %q %q, want %q %q", path, got.Space, got.Tag, want.Space, want.Tag)
	}
	if len(got.Attr) != len(want.Attr) {
		return fmt.Sprintf("%s: got %d attributes, want %d", path, len(got.Attr), len(want.Attr))
	}
	for i, w := range want.Attr {
		if g := got.Attr[i]; g.Space != w.Space || g.Key != w.Key || g.Value != w.Value {
			return fmt.Sprintf("%s: got attribute %q %q %q, want %q %q %q", path, g.Space, g.Key, g.Value, w.Space, w.Key, w.Value)
		}
	}
	var children []etree.Token
	for _, c := range want.Child {
		switch c.(type) {
		case *etree.Element, *etree.CharData:
			children = append(children, c)
		}
	}
	if len(got.Child) != len(children) {
		return fmt.Sprintf("%s: got %d texts and elements, want %d", path, len(got.Child), len(children))
	}
	for i, w := range children {
		if got.Child[i].Parent() != got || got.Child[i].Index() != i {
			return fmt.Sprintf("%s: child %d does not know its place", path, i)
		}
		switch w := w.(type) {
		case *etree.Element:
			g, ok := got.Child[i].(*etree.Element)
			if !ok {
				return fmt.Sprintf("%s: child %d: got %T, want an element", path, i, got.Child[i])
			}
			if diff := differ(path, g, w); diff != "" {
				return diff
			}
		case *etree.CharData:
			if g, ok := got.Child[i].(*etree.CharData); !ok || g.Data != w.Data {
				return fmt.Sprintf("%s: child %d: got %#v, want the text %q", path, i, got.Child[i], w.Data)
			}
		}
	}
	return ""
}

// treeBodies are one awkward thing each.
var treeBodies = []string{
	"<a/>", "<a></a>", "<a> </a >", " <a/> ", "\r\n<?p?>\r<!-- c -->\n<a/>", "<a>\r\n\r\r\n\n</a>", "<a>\r&#10;\r&amp;\n&#13;\n</a>",
	"<a>x\r<![CDATA[\ny\r\n\r]]>\n</a>", "<a><![CDATA[]]></a>", "<a><![CDATA[]]]]><![CDATA[>]]></a>", "<a><![CDATA[&amp;<b>]]></a>",
	"<a>b<!-- c -->d<?e f?>g</a>", "<a>b<!-- c -- d -->e</a>", "<a>]]<!-- -- -->></a>", "<a>]]&#0;></a>", "<a>]]></a>", "<a>]]&gt;]]&#62;</a>",
	"<a>\r<!-- -- -->\n</a>", "<a>&lt;&gt;&amp;&quot;&apos;&#65;&#x42;&#x1F600;&#9;</a>", "<a>&#xD83D;&#xDE00;</a>", "<a>&#xD83D;</a>", "<a>&nbsp;&;&#;&#x;&#X41;&#65</a>",
	"<a>&#0000000000000065;&lt</a>", "<a b='&lt;&#10;\r\n\t \r' c=\"'>\" d = ' '/>", `<a b="<"/>`, `<a b="]]>"/>`, `<a b=""c=""/>`, `<a b="1" b="2"c="3"/>`,
	`<a x:b="1" b="2" y:b="3" xmlns:x="x" xmlns="d"/>`, "<p:a><p:b/></p:a>", "<:a/>", "<a:/>", "<:/>", "<a:b:c/>", `<a b:c:d="1"/>`, `<a :b="1" b:="2" xmlns:="3"/>`,
	"<1a/>", "<-a/>", "<a.-1_/>", `<a 1b=""/>`, "<é/>", "<a\u0300/>", "<\u0300/>", "<a\u00d7/>", "<\u0132/>", "<\U00010000/>", `<a é="é"/>`, "<a\u2028/>", "<a\xe9/>", "<a;/>", "<a b;c=''/>",
	"<a,b=''/>", "<a><?é?></a>", "<a><?1?></a>", "<a><??></a>", "<a><?b,c?></a>", "<a><?b:c:d?></a>", "<a><?xml version='1.0' encoding='x'?></a>", "<a><?xml version='1.1'?></a>",
	"<a><!--></a>", "<a><!-->--></a>", "<a><!----></a>", "<a><!---></a>-->", "<a><!--->--></a>", "<a></ a>", "<a></a\n>", "<a></b>", "<a/><b/>", "<a/>b", "b<a/>", "<a", "<a>", "<a b></a>",
	"<a b=c/>", "<a / >", "<a/b=''/>", "<a b='", "< a/>", "<a>&#x0D;\n</a>", "<a>\u0085\u2028</a>", "<a>\xe9\x00\x01\ufffe</a>",
}

// treeFiles are the messages of the project and, where there is one, of the shared corpus.
func treeFiles(tb testing.TB) [][]byte {
	tb.Helper()
	shared := os.Getenv("RECADO_SHARED")
	if shared == "" {
		shared = filepath.Join("..", "shared")
	}
	if !filepath.IsAbs(shared) {
		shared = filepath.Join("..", shared) // this package is one below the project's root
	}
	var out [][]byte
	for pattern, atLeast := range map[string]int{
		filepath.Join("testdata", "*", "*.xml"): 50, filepath.Join(shared, "cwmp", "corpus", "*.xml"): 80,
		filepath.Join(shared, "cwmp", "corpus", "*.http"): 1,
	} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			tb.Fatal(err)
		}
		if len(files) < atLeast && !strings.HasPrefix(pattern, "testdata") && os.Getenv("CI") == "" {
			tb.Logf("NOT TESTED: the shared material is missing (set RECADO_SHARED): %d files of cwmp/corpus", len(files))
		} else if len(files) < atLeast {
			tb.Fatalf("got %d files of %s, want at least %d", len(files), filepath.Base(filepath.Dir(pattern)), atLeast)
		}
		for _, file := range files {
			body, err := os.ReadFile(file)
			if err != nil {
				tb.Fatal(err)
			}
			if _, after, ok := bytes.Cut(body, []byte("\r\n\r\n")); ok && strings.HasSuffix(file, ".http") {
				body = after
			}
			out = append(out, body)
		}
	}
	return out
}

func TestTree(t *testing.T) {
	for _, body := range treeBodies {
		t.Run(body, func(t *testing.T) { compareTrees(t, []byte(body)) })
	}
	for _, body := range treeFiles(t) {
		compareTrees(t, body)
	}
}

// TestTreeRefuses has what the second walk must refuse, and what it may take though encoding/xml does not.
func TestTreeRefuses(t *testing.T) {
	for body, want := range map[string]bool{
		"<a>]]<!-- -- -->></a>":        true, // a repair puts "]]>" together
		"<a>]]&#0;></a>":               true,
		"<a:b:c/>":                     true,
		"<1a/>":                        true,
		"<a\u00d7/>":                   true,
		"<a><?1?></a>":                 true,
		"<a/>":                         false,
		"<\u0132/>":                    false, // a name since the fifth edition
		"<a><?xml version='1.1'?></a>": false, // a declaration in the wrong place
		"<a>" + strings.Repeat("&", 2000) + "</a>": false,
	} {
		s := scanner{b: []byte(body), l: DefaultLimits}
		end, err := s.scan()
		if err == nil {
			_, err = buildTree(s.repaired(end), Limits{Depth: 1, Elements: 2, Attributes: 1, NameLength: 10, TextLength: 2000})
		}
		if got := errors.Is(err, ErrMalformed); got != want || !got && err != nil {
			t.Errorf("%q: got %v, want it refused: %t", body, err, want)
		}
	}
}

// FuzzTree: the tree is the one that etree's reader makes, and what that refuses is refused.
func FuzzTree(f *testing.F) {
	for _, body := range treeBodies {
		f.Add([]byte(body))
	}
	for _, body := range treeFiles(f) {
		if len(body) < 8<<10 {
			f.Add(body)
		}
	}
	f.Fuzz(compareTrees)
}

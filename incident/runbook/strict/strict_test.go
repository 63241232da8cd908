package strict

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"go.yaml.in/yaml/v4"
)

// plainWords say no more than that something is wrong, and with what.
var plainWords = Words{
	Wants: func(key string, want Want, _ reflect.Type, n *yaml.Node) string {
		return key + " wants " + []string{"text", "bool", "whole", "natural", "number", "duration", "time", "list", "mapping"}[want] + ", not " + Describe(n)
	},
	Unknown: func(at, key string, known []string) string { return "unknown " + key + DidYouMean(key, known) },
	Lacks:   func(whose string, _ any, key string) string { return whose + " lacks " + key },
	Empty: func(key string, _ reflect.Type, optional bool, n *yaml.Node) (bool, string) {
		switch {
		case n.Kind != yaml.ScalarNode || n.ShortTag() != "!!null":
			return false, ""
		case optional:
			return true, ""
		}
		return true, key + " is empty"
	},
}

type shop struct {
	Base  `yaml:",inline"`
	Goods []good         `yaml:"goods"`
	Stock map[string]int `yaml:"stock,omitempty"`
	Until time.Time      `yaml:"until,omitempty"`
	Every time.Duration  `yaml:"every,omitempty"`
	Share float32        `yaml:"share,omitempty"`
	Small int8           `yaml:"small,omitempty"`
	Words Texts          `yaml:"words,omitempty"`
	Raw   *yaml.Node     `yaml:"raw,omitempty"`
	More  Parts          `yaml:",inline"`
}

type (
	// Base is exported so that it can be filled where it is embedded.
	Base struct {
		Name string `yaml:"name"`
	}
	good struct {
		Title Text `yaml:"title"`
		Open  bool `yaml:"open,omitempty"`
	}
	extra struct {
		Size uint `yaml:"size"`
	}
)

func readShop(t *testing.T, text string, d Decoder) (shop, *extra, Faults) {
	t.Helper()
	more := &extra{}
	s := shop{More: Parts{"extra": more}}
	doc, faults := Parse("s.yaml", []byte(text), "here")
	if doc.Root == nil {
		return s, more, faults
	}
	d.Words = plainWords
	return s, more, Read(doc, d, "the shop", &s).Faults()
}

func lines(f Faults) string {
	var out []string
	for _, one := range f {
		out = append(out, one.String())
	}
	return strings.Join(out, "\n")
}

func TestEveryKindOfValueIsFilled(t *testing.T) {
	s, more, faults := readShop(t, `name: n
goods: [{title: a, open: true}, {title: 12}]
stock: {x: 3}
until: 2026-03-03T14:00:00Z
every: 1m30s
share: 0.5
small: -8
words: one
raw: {k: v}
extra: {size: 4}
`, Decoder{})
	if len(faults) > 0 {
		t.Fatal(lines(faults))
	}
	if s.Name != "n" || len(s.Goods) != 2 || s.Goods[1].Title.Value != "12" || !s.Goods[0].Open || s.Stock["x"] != 3 || s.Every != 90*time.Second ||
		s.Share != 0.5 || s.Small != -8 || len(s.Words) != 1 || s.Raw == nil || s.Until.Hour() != 14 || more.Size != 4 {
		t.Errorf("got %+v, %+v", s, more)
	}
	if at := s.Goods[1].Title.At; at != (Place{"s.yaml", 2, 41}) {
		t.Errorf("the second title stands at %s", at)
	}
}

func TestAllFaultsAreFoundAtOnce(t *testing.T) {
	_, _, faults := readShop(t, `nam: n
goods: [{title: [a], open: maybe}, 5, {titel: a}]
stock: {x: 3.5, x: 4, [a]: 1}
until: soon
every: 5
share: much
small: 300
words: [a, ~, {}]
extra: {size: -1}
extra: {}
`, Decoder{})
	want := `s.yaml:1:1: the shop lacks name
s.yaml:1:1: unknown nam; did you mean "name"?
s.yaml:2:17: "title" wants text, not a list
s.yaml:2:28: "open" wants bool, not the text "maybe"
s.yaml:2:36: "goods" wants mapping, not 5
s.yaml:2:39: "goods" lacks title
s.yaml:2:40: unknown titel; did you mean "title"?
s.yaml:3:12: "x" wants whole, not 3.5
s.yaml:3:17: key "x" is there twice
s.yaml:3:23: a key has to be a word, not a list
s.yaml:4:8: "until" wants time, not the text "soon"
s.yaml:5:8: "every" wants duration, not 5
s.yaml:6:8: "share" wants number, not the text "much"
s.yaml:7:8: "small" wants whole, not 300
s.yaml:8:12: "words" is empty
s.yaml:8:15: "words" wants text, not a mapping
s.yaml:9:15: "size" wants natural, not -1
s.yaml:10:1: key "extra" is there twice`
	if got := lines(faults); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestOneSlipCanBeToldOnce(t *testing.T) {
	_, _, faults := readShop(t, "nam: n\ngoods: []\nextra: {siz: 1}\n", Decoder{OneSlip: true})
	if want := "s.yaml:1:1: unknown nam; did you mean \"name\"?\ns.yaml:3:9: unknown siz; did you mean \"size\"?"; lines(faults) != want {
		t.Errorf("got\n%s\nwant\n%s", lines(faults), want)
	}
}

func TestWhatIsGivenMayBeLeftOutWhereNothingHasToBe(t *testing.T) {
	if _, _, faults := readShop(t, "stock: {}\n", Decoder{Lax: true}); len(faults) > 0 {
		t.Error(lines(faults))
	}
	if !AllOptional(reflect.TypeFor[struct {
		A int `yaml:"a,omitempty"`
	}]()) || AllOptional(reflect.TypeFor[extra]()) {
		t.Error("a struct may be left out exactly if all of its keys may")
	}
}

// What editors on other systems write is read; what is no YAML, or grows without
// end, is refused with its place.
func TestFilesAsEditorsWriteThem(t *testing.T) {
	const text = "name: n\ngoods: [{title: a}]\nextra: {size: 1}\n"
	wide := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(text)) {
		wide = append(wide, byte(u), byte(u>>8))
	}
	for name, data := range map[string][]byte{
		"a byte order mark": append([]byte{0xef, 0xbb, 0xbf}, text...), "CRLF": []byte(strings.ReplaceAll(text, "\n", "\r\n")), "UTF-16": wide,
	} {
		t.Run(name, func(t *testing.T) {
			s, _, faults := readShop(t, string(data), Decoder{})
			if len(faults) > 0 || s.Name != "n" || s.Goods[0].Title.Value != "a" {
				t.Errorf("got %+v, %s", s, lines(faults))
			}
		})
	}
	bomb := "a: &a [x, x, x, x, x, x, x, x, x]\n"
	for i := 'b'; i < 'k'; i++ {
		bomb += string(i) + ": &" + string(i) + " [" + strings.Repeat("*"+string(i-1)+", ", 9) + "]\n"
	}
	for name, c := range map[string]struct{ text, want string }{
		"nothing":       {"", "s.yaml:1:1: the file is empty"},
		"two documents": {"a: 1\n---\nb: 1\n", "s.yaml:1:1: the file has more than one document"},
		"no YAML":       {"a: [\n", "s.yaml:2:1: not readable as YAML: "},
		"an alias":      {"a: &x 1\nb: *x\n", "s.yaml:2:4: aliases (*x) are not allowed here: write the value out"},
		"itself":        {"a: &x [*x]\n", "aliases (*x) are not allowed here"},
		"an alias bomb": {bomb, "are not allowed here"},
		"deep nesting":  {strings.Repeat("[", 100_000), "not readable as YAML"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, _, faults := readShop(t, c.text, Decoder{}); len(faults) == 0 || !strings.Contains(lines(faults), c.want) {
				t.Errorf("got %s", lines(faults))
			}
		})
	}
}

func TestASuggestionIsOnlyMadeWhenItIsNear(t *testing.T) {
	known := []string{"needs", "uses", "title", "timeout"}
	for word, want := range map[string]string{
		"need": `; did you mean "needs"?`, "colour": `; it may be "needs", "uses", "title" or "timeout"`,
	} {
		if got := DidYouMean(word, known); got != want {
			t.Errorf("%s: %q, want %q", word, got, want)
		}
	}
}

func TestAReportFindsPlacesByPath(t *testing.T) {
	s := shop{More: Parts{"extra": &extra{}}}
	doc, _ := Parse("s.yaml", []byte("name: n\ngoods:\n  - title: a\nextra: {size: 2}\n"), "here")
	r := Read(doc, Decoder{Words: plainWords}, "the shop", &s)
	r.Fault("goods[0].title", "value")
	r.FaultOfKey("goods[0].title", "key")
	r.Fault("goods[0].open", "around")
	r.Below("extra").Fault("size", "below")
	r.Below("extra").Least("size", 2, 3)
	r.Fault("nowhere", "whole")
	want := []string{"1:1 whole", "3:5 around", "3:5 key", "3:12 value", "4:15 \"size\" has to be at least 3, not 2", "4:15 below"}
	var got []string
	for _, f := range r.Faults() {
		got = append(got, strings.TrimPrefix(Place{"", f.Line, f.Column}.String(), ":")+" "+f.Text)
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if !r.Given("extra.size") || r.Given("stock") {
		t.Error("given is what stands in the file")
	}
}

func FuzzRead(f *testing.F) {
	for _, s := range []string{"", "name: n", "a: &a [*a]", "? {a: b}\n: c", "goods: [{title: 1}, ~, 3]", "\xff\xfe", "extra: {size: !!int x}", "until: !!timestamp x"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		doc, faults := Parse("s.yaml", data, "here")
		if doc.Root == nil {
			if len(faults) == 0 {
				t.Error("neither a document nor a fault")
			}
			return
		}
		s := shop{More: Parts{"extra": &extra{}}}
		for _, one := range Read(doc, Decoder{Words: plainWords}, "the shop", &s).Faults() {
			if one.Line == 0 {
				t.Errorf("no place: %s", one)
			}
		}
	})
}

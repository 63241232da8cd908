package discover

import (
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// width is how long a line with a comment may be.
const width = 96

// Write says what was found as settings, in the form of deploy/config.example.yaml. Lines
// that are left to people begin their value with [Open].
func Write(to io.Writer, f *Found, at time.Time, regions []string) error {
	p := &printer{}
	p.comment(0, fmt.Sprintf("Settings of failoverbot, as found on %s in %s.", at.Format("2 January 2006"), f.places(regions)))
	p.comment(0, Open+" marks what is left to people: failoverbot check --config FILE names these lines until none is left.\n"+
		"deploy/config.example.yaml says what each key means, and which others there are.")
	var open []string
	block := false // what stood before was more than a line
	for _, s := range f.Settings {
		keys := strings.Split(s.Path, ".")
		same := 0
		for same < len(open) && same < len(keys)-1 && open[same] == keys[same] {
			same++
		}
		_, list := s.Value.([]Item)
		was := block
		if block = len(keys) > 2 || list || s.Left; same == 0 || same == 1 && keys[0] == "platform" && (block || was) {
			p.line("")
		}
		if s.Left {
			p.parents(keys[:len(keys)-1], same)
			p.comment(len(keys)-1, fmt.Sprintf("%s is left out. %s", keys[len(keys)-1], s.Why))
			open = keys[:len(keys)-1]
			continue
		}
		p.parents(keys[:len(keys)-1], same)
		p.setting(len(keys)-1, keys[len(keys)-1], s)
		open = keys[:len(keys)-1]
	}
	if _, err := io.WriteString(to, p.text.String()); err != nil {
		return fmt.Errorf("write the settings: %w", err)
	}
	return nil
}

// places are the Regions with their accounts.
func (f *Found) places(regions []string) string {
	if a := f.Accounts[regions[0]]; a != "" && a == f.Accounts[regions[1]] {
		return fmt.Sprintf("account %s, %s", a, sentence(regions, "and"))
	}
	var out []string
	for _, r := range regions {
		if a := f.Accounts[r]; a != "" {
			r += " of account " + a
		}
		out = append(out, r)
	}
	return sentence(out, "and")
}

type printer struct{ text strings.Builder }

func (p *printer) line(text string) { p.text.WriteString(strings.TrimRight(text, " ") + "\n") }

func indent(depth int) string { return strings.Repeat("  ", depth) }

// parents begins the mappings around a value that are not open already.
func (p *printer) parents(keys []string, same int) {
	for i := same; i < len(keys); i++ {
		p.line(indent(i) + keys[i] + ":")
	}
}

// comment writes a text above a line, cut at its words; its own lines stay apart, and what
// looks like YAML stays whole.
func (p *printer) comment(depth int, text string) {
	for l := range strings.SplitSeq(text, "\n") {
		row := indent(depth) + "#"
		whole := strings.HasPrefix(l, "- {")
		for word := range strings.FieldsSeq(l) {
			if !whole && len(row)+1+len(word) > width && !strings.HasSuffix(row, "#") {
				p.line(row)
				row = indent(depth) + "#"
			}
			row += " " + word
		}
		if l != "" {
			p.line(row)
		}
	}
}

func (p *printer) setting(depth int, key string, s Setting) {
	p.comment(depth, s.Why)
	key = indent(depth) + key + ":"
	if s.Ask != "" {
		p.line(key + " " + scalar(Open+": "+s.Ask))
		return
	}
	switch v := s.Value.(type) {
	case []string:
		p.line(key)
		for _, one := range v {
			p.line(indent(depth+1) + "- " + scalar(one))
		}
	case []Item:
		p.line(key)
		rows := make([]string, len(v))
		longest := 0
		for i, item := range v {
			rows[i] = item.text()
			if item.Note != "" {
				longest = max(longest, len(rows[i]))
			}
		}
		for i, row := range rows {
			if note := v[i].Note; note != "" {
				row = fmt.Sprintf("%-*s  # %s", longest, row, note)
			}
			p.line(indent(depth+1) + "- " + row)
		}
	default:
		p.line(key + " " + scalar(v))
	}
}

func (i Item) text() string {
	var keys []string
	for _, k := range i.Keys {
		keys = append(keys, k.Name+": "+scalar(k.Value))
	}
	return "{" + strings.Join(keys, ", ") + "}"
}

// plain are texts that YAML reads as themselves, wherever they stand; a word for true,
// false or nothing is none, nor is what could be a number or a time.
var (
	plain = regexp.MustCompile(`^(/?[A-Za-z][A-Za-z0-9._/@+=-]*\*?|[A-Za-z0-9][A-Za-z0-9-]*\.[A-Za-z0-9.-]*[A-Za-z]:[0-9]+|https?://[A-Za-z0-9.:/-]*[A-Za-z0-9/]|arn:[A-Za-z0-9:/._-]*[A-Za-z0-9]|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$`)
	word  = regexp.MustCompile(`(?i)^(true|false|yes|no|on|off|y|n|null)$`)
)

// scalar is a value as YAML has it.
func scalar(v any) string {
	text, ok := v.(string)
	if !ok {
		return fmt.Sprint(v)
	}
	if plain.MatchString(text) && !word.MatchString(text) {
		return text
	}
	return strconv.Quote(text)
}

// Package text is what the bot says to people, before any face has rendered it:
// sentences in which people, commands to type, identifiers, moments and the words
// of others are marked for what they are. A face (Slack, a terminal, an e-mail)
// walks the Spans and writes each in its own syntax; Plain writes characters alone.
//
// It is safe by default. The words of a sentence are a Literal, which only a
// constant of the program becomes by itself; whatever is filled in and is not a
// Text is somebody else's: it is cleaned of control characters, of what turns the
// direction of writing round and of line breaks, and marked as a value, so that a
// face shows it without effect. No mark is made of characters, so nothing that
// anybody types can make one.
//
// Counts, durations and lists are written here too, in one way for everybody.
package text

import (
	"fmt"
	"iter"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Literal is words of the program itself. A constant becomes one without a
// conversion, and anything else should not become one.
type Literal string

// Kind says what a Span is, and so how a face writes it.
type Kind int

// The kinds of a Span.
const (
	// Words are the program's own. They may have several lines.
	Words Kind = iota
	// Value is data: the name of a Region, an incident, a step's title. One line,
	// without effect.
	Value
	// Quoted is what a person said, or an outside system answered, for others to
	// read. One line, without effect: it must not look like the bot's own words.
	Quoted
	// Prose is text of the runbook or of a provider. It may have several lines; a
	// face may keep its emphasis, and it calls nobody.
	Prose
	// Name is a person; Text is their id, and the face knows what they are called.
	Name
	// Typed is what is typed exactly so, or was: Text as it stands.
	Typed
	// Order is something to ask of the bot; Text is what stands behind its name or
	// its command, which the face knows. It may be empty.
	Order
	// Code is an identifier: a step's id, a state. It may be padded with spaces.
	Code
	// Strong is a heading or what a line is about.
	Strong
	// Moment is a point in time; Time and Precision say which and how exactly, and
	// Text is empty. A face may show it in the reader's zone.
	Moment
	// Block is lines whose columns are aligned.
	Block
)

// Span is a part of a Text.
type Span struct {
	Kind Kind
	// Text is clean: it has no control characters but line breaks, and those only
	// where the Kind says so.
	Text      string
	Time      time.Time
	Precision Precision
}

// Text is what is said. The zero Text says nothing. It does not change: what makes
// more of it returns another.
type Text struct{ spans []Span }

// Format fills in a sentence. %v, %s and %d all take the next of args, whose type
// says how it is shown: a Text as it is marked, a Literal as the program's words, a
// number in digits, a time.Duration as Duration has it, a time.Time to the second, an
// error and a string, of whatever type, as somebody else's. %% is a per cent sign.
//
// {start %s} is an Order, filled in likewise; {} is the command alone.
func Format(format Literal, args ...any) Text {
	f := filling{args: args}
	out := f.fill(string(format))
	if f.next < len(args) {
		out.words("%!(EXTRA)")
	}
	return out
}

// filling is a Format under way.
type filling struct {
	args []any
	next int
}

func (f *filling) fill(format string) Text {
	var out Text
	for format != "" {
		i := strings.IndexAny(format, "%{")
		if i < 0 {
			out.words(format)
			break
		}
		out.words(format[:i])
		if format[i] == '{' {
			order, rest, closed := strings.Cut(format[i+1:], "}")
			if !closed {
				out.words("%!{")
			}
			out.add(Span{Kind: Order, Text: f.fill(order).String()})
			format = rest
			continue
		}
		verb, size := utf8.DecodeRuneInString(format[i+1:])
		format = format[i+1+size:]
		switch {
		case verb == '%':
			out.words("%")
		case !strings.ContainsRune("vsd", verb) || size == 0:
			out.words("%!" + string(verb))
		case f.next == len(f.args):
			out.words("%!(MISSING)")
		default:
			out.take(of(f.args[f.next]))
			f.next++
		}
	}
	return out
}

// of is a Text of one value.
func of(v any) Text {
	var out Text
	switch v := v.(type) {
	case Text:
		return v
	case Literal:
		out.words(string(v))
	case string:
		out.add(Span{Kind: Value, Text: line(v)})
	case error:
		return Error(v)
	case time.Duration:
		out.words(Duration(v))
	case time.Time:
		return At(v, ToSecond)
	default:
		switch reflect.ValueOf(v).Kind() {
		case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
			reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
			out.words(fmt.Sprint(v))
		default:
			out.add(Span{Kind: Value, Text: line(fmt.Sprint(v))})
		}
	}
	return out
}

// add appends in place, for a Text that nobody has seen yet.
func (t *Text) add(s Span) {
	if s.Text != "" || s.Kind == Moment || s.Kind == Order {
		t.spans = append(t.spans, s)
	}
}

func (t *Text) words(s string) {
	if last := len(t.spans) - 1; last >= 0 && t.spans[last].Kind == Words {
		t.spans[last].Text += s
		return
	}
	t.add(Span{Kind: Words, Text: s})
}

// take adds what another Text says.
func (t *Text) take(other Text) {
	for _, s := range other.spans {
		if s.Kind == Words {
			t.words(s.Text)
			continue
		}
		t.spans = append(t.spans, s)
	}
}

func one(kind Kind, s string) Text {
	var out Text
	out.add(Span{Kind: kind, Text: s})
	return out
}

// Person is somebody by id, whom the face names.
func Person(id string) Text { return one(Name, line(id)) }

// Quote is a person's own words for others to read, on one line.
func Quote(s string) Text { return one(Quoted, line(s)) }

// Error is an error for people to read, on one line, without a full stop and not too
// long.
func Error(err error) Text { return Quote(Bare(err)) }

// Bare is an error as a sentence has it and the record keeps it: on one line, without
// a full stop and not too long, and what libraries say of a connection in people's words.
func Bare(err error) string {
	said := strings.Join(strings.Fields(err.Error()), " ")
	for _, w := range ofConnections {
		said = w.said.ReplaceAllString(said, w.means)
	}
	return strings.TrimRight(Shorten(said, 300), ".")
}

// NoAnswer is how Bare says that a call's time was over.
const NoAnswer = "no answer in time"

// ofConnections is what Go's packages and the vendors' clients say of a connection that was
// not made or broke off, and what it means. The longest comes first.
var ofConnections = func() []connectionWords {
	const (
		sending  = `(?:request send failed, )?(?:(?:Get|Post|Put|Patch|Head|Delete) "[^"]*": )?`
		dialling = sending + `dial (?:tcp|udp)[46]?(?: [^ :]+(?::\d+)?| \[[^\]]+\](?::\d+)?)?: `
	)
	var out []connectionWords
	for _, w := range [][2]string{
		{dialling + `(?:connect: )?connection refused`, "the connection was refused"},
		{dialling + `lookup ([^ :]+)(?: on [^ ]+)?: no such host`, "$1 has no address"},
		{dialling + `(?:connect: )?(?:no route to host|network is unreachable)`, "no way leads there"},
		{dialling + `(?:i/o timeout|operation was canceled|context deadline exceeded)`, "no connection in time"},
		{sending + `read (?:tcp|udp)[46]? [^ ]+: (?:read: )?connection reset by peer`, "the connection broke off"},
		{sending + `context deadline exceeded(?: \(Client\.Timeout[^)]*\))?`, NoAnswer},
		{sending + `net/http: TLS handshake timeout`, "no connection in time"},
		{sending + `(?:unexpected )?\bEOF\b`, "the connection was closed"},
	} {
		out = append(out, connectionWords{regexp.MustCompile(w[0]), w[1]})
	}
	return out
}()

type connectionWords struct {
	said  *regexp.Regexp
	means string
}

// Exactly is what is to be typed as it stands, or was, shown on one line.
func Exactly(s string) Text { return one(Typed, line(s)) }

// ID is an identifier, and may be padded with spaces to align it with others.
func ID(s string) Text { return one(Code, clean(s, false)) }

// Heading is emphasised as a whole. It is filled in like a Format.
func Heading(format Literal, args ...any) Text { return one(Strong, Format(format, args...).String()) }

// At is a moment.
func At(t time.Time, p Precision) Text {
	return Text{[]Span{{Kind: Moment, Time: t, Precision: p}}}
}

// Aligned is lines whose columns are aligned; each stays one.
func Aligned(lines ...string) Text {
	shown := make([]string, len(lines))
	for i, l := range lines {
		shown[i] = clean(l, false)
	}
	return one(Block, strings.Join(shown, "\n"))
}

// Passage is text of the runbook or of a provider, which may have several lines. What
// stands between ` and ` on a line of it is to be typed exactly so.
func Passage(s string) Text {
	var out Text
	s = strings.TrimSpace(clean(s, true))
	for {
		at := exact.FindStringSubmatchIndex(s)
		if at == nil {
			out.add(Span{Kind: Prose, Text: s})
			return out
		}
		out.add(Span{Kind: Prose, Text: s[:at[0]]})
		out.add(Span{Kind: Typed, Text: s[at[2]:at[3]]})
		s = s[at[1]:]
	}
}

var exact = regexp.MustCompile("`([^`\n]+)`")

// Spans are the parts in order.
func (t Text) Spans() iter.Seq[Span] { return slices.Values(t.spans) }

// Empty says that nothing is said.
func (t Text) Empty() bool { return len(t.spans) == 0 }

// Add is the Text with a sentence behind it.
func (t Text) Add(format Literal, args ...any) Text {
	out := Text{slices.Clone(t.spans)}
	out.take(Format(format, args...))
	return out
}

// Orders is the Text with each Order's words changed.
func (t Text) Orders(change func(words string) string) Text {
	out := Text{slices.Clone(t.spans)}
	for i, s := range out.spans {
		if s.Kind == Order {
			out.spans[i].Text = change(s.Text)
		}
	}
	return out
}

// Lines are Texts below each other; empty ones are left out.
func Lines(list ...Text) Text {
	var out Text
	for _, l := range list {
		if l.Empty() {
			continue
		}
		if !out.Empty() {
			out.words("\n")
		}
		out.take(l)
	}
	return out
}

// Several says that there is more than one line.
func (t Text) Several() bool {
	return slices.ContainsFunc(t.spans, func(s Span) bool { return strings.Contains(s.Text, "\n") })
}

// Len is how many characters are shown without a face.
func (t Text) Len() int { return utf8.RuneCountInString(t.String()) }

// Short is the Text cut to about n characters. What is read as a whole is not cut in
// the middle.
func (t Text) Short(n int) Text {
	if t.Len() <= n {
		return t
	}
	var out Text
	for _, s := range t.spans {
		shown := Text{[]Span{s}}.Len()
		if shown < n {
			out.spans = append(out.spans, s)
			n -= shown
			continue
		}
		switch s.Kind {
		case Words, Value, Quoted, Prose, Block, Strong:
			s.Text = Shorten(s.Text, n)
			out.spans = append(out.spans, s)
		default:
			out.words("…")
		}
		break
	}
	return out
}

// String is the Text without a face, people by their ids. It is for logs and
// lengths; a face renders the Spans.
func (t Text) String() string { return Plain{}.Render(t) }

package discover

import (
	"fmt"
	"slices"
	"strings"
)

// Setting is one line of the settings: what was found, or what somebody has to put there.
type Setting struct {
	// Path of the value: platform.aurora.global_cluster.
	Path string
	// Value is a string, an int, a []string or an []Item; nil where it is open or left out.
	Value any
	// Why it was chosen, and what else there was.
	Why string
	// Ask is what to put there; empty where the value is known, or there is none.
	Ask string
	// People alone know it.
	People bool
	// Gone: all was read, and nothing there is that it could name, or more than one.
	Gone bool
	// Left: the platform has no such thing, and Why says so.
	Left bool
	// Stand are all names that a list stands for, where some of it stand for several.
	Stand []string
	// Among are all that a list could name; what of it a file names is its own choice.
	Among []string
	// Bound says how a value that was found may differ from that of a file.
	Bound Bound
}

// Bound is how what is found may differ from what the settings say without being a change.
type Bound int

// The bounds.
const (
	// Exactly what the settings say.
	Exactly Bound = iota
	// AtLeast what the settings say: a number that may be larger.
	AtLeast
	// AtMost what the settings say: numbers that may be smaller.
	AtMost
)

// Item is an element of a list that has keys of its own.
type Item struct {
	Keys []Key
	// Note stands behind it.
	Note string
}

// Key is one of them; a Value that begins with [Open] is left to people.
type Key struct {
	Name  string
	Value any // string, int, bool
}

// Open is how a value begins that is left to people.
const Open = "FILL IN"

// open counts what of it is left to people.
func (s Setting) open() int {
	n := 0
	if s.Ask != "" {
		n++
	}
	items, _ := s.Value.([]Item)
	for _, i := range items {
		for _, k := range i.Keys {
			if text, ok := k.Value.(string); ok && strings.HasPrefix(text, Open) {
				n++
			}
		}
	}
	return n
}

// has is a setting that was found.
func has(value any, why string, args ...any) *Setting {
	return &Setting{Value: value, Why: fmt.Sprintf(why, args...)}
}

// leave is a setting that is left to people.
func leave(what string, args ...any) *Setting { return &Setting{Ask: fmt.Sprintf(what, args...)} }

// left is a part that the platform has nothing for.
func left(why string, args ...any) *Setting {
	return &Setting{Left: true, Why: fmt.Sprintf(why, args...)}
}

// because adds why to what was left to people.
func (s *Setting) because(why string, args ...any) *Setting {
	s.Why = fmt.Sprintf(why, args...)
	return s
}

// gone says that it is open although all was read.
func (s *Setting) gone() *Setting {
	s.Gone = true
	return s
}

// knownToPeople says that nothing could tell another value.
func (s *Setting) knownToPeople() *Setting {
	s.People = true
	return s
}

// candidate is one of those that a setting could be.
type candidate struct{ value, why string }

// choice is how a setting is chosen: as the only candidate, or, of several, as the one that
// the settings already name. what is how people call it, none what was looked at.
type choice struct {
	what, none string
	not        *Unread
	all        []candidate
	given      string
}

// made is the setting.
func (c choice) made() *Setting {
	switch i := slices.IndexFunc(c.all, func(o candidate) bool { return o.value == c.given }); {
	case c.not != nil:
		return leave("%s (%s)", c.what, c.not.brief())
	case len(c.all) == 0:
		return leave("%s (%s)", c.what, c.none).gone()
	case len(c.all) == 1:
		return has(c.all[0].value, "%s", c.all[0].why)
	case i >= 0:
		return has(c.given, "As the settings have it. There is also %s.", names(without(c.all, i), "and"))
	}
	return leave("%s: %s", c.what, names(c.all, "or")).gone().because("%d would do, and none is the better one.", len(c.all))
}

func without(all []candidate, i int) []candidate { return slices.Delete(slices.Clone(all), i, i+1) }

func names(all []candidate, last string) string {
	words := make([]string, len(all))
	for i, c := range all {
		words[i] = c.value
	}
	return sentence(words, last)
}

// shown is how many names a sentence tells.
const shown = 6

// sentence is a list of words as people write it, cut short where it is long.
func sentence(words []string, last string) string {
	switch n := len(words); {
	case n == 0:
		return "none"
	case n == 1:
		return words[0]
	case n > shown:
		return fmt.Sprintf("%s and %d more", strings.Join(words[:shown], ", "), n-shown)
	default:
		return strings.Join(words[:n-1], ", ") + " " + last + " " + words[n-1]
	}
}

// count is a number with its noun, which takes an s.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

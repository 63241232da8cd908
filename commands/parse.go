package commands

import (
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/failoverbot/failoverbot/incident/text"
)

// Parse takes what was typed behind the slash command apart: the verb and what
// stands behind it, as it was typed. Nothing typed is help. Between the words of a
// verb a hyphen is as good as a line below.
func Parse(words string) (name, rest string) {
	name, rest = cut(words)
	if text.Fold(strings.TrimPrefix(name, "/")) == "failover" {
		name, rest = cut(rest)
	}
	if name == "" {
		return "help", ""
	}
	name = strings.ReplaceAll(text.Fold(name), "-", "_")
	if name == "go" {
		if second, after := cut(rest); text.Fold(second) == "override" {
			return "go_override", after
		}
	}
	return name, rest
}

// spoken is a verb as people read and type it; a line below within it works too.
func spoken(name string) string { return strings.ReplaceAll(name, "_", "-") }

// cut is the first word and what follows it.
func cut(text string) (first, rest string) {
	text = strings.TrimSpace(text)
	if i := strings.IndexFunc(text, unicode.IsSpace); i >= 0 {
		return text[:i], strings.TrimSpace(text[i:])
	}
	return text, ""
}

// unknownVerb says what might have been meant.
func (c *Commands) unknownVerb(name, rest string) Answer {
	var known []string
	for _, v := range verbs() {
		if v.usage != "" {
			known = append(known, spoken(v.name))
		}
	}
	name = spoken(name)
	shown := repeated(name)
	if region := c.region(name); region != "" {
		return *refused("{%s} is not a command. Did you mean {start %s}?", shown, region)
	}
	meant := text.Nearest(name, known)
	if meant == "" {
		return *refused("{%s} is not a command. These are: %s. {help} says what each does.", shown, strings.Join(known, ", "))
	}
	first, after := cut(repeated(rest))
	switch {
	case first == "" && meant == "start":
		first = c.standby("")
	case meant == "start" || meant == "check" || meant == "approve":
		if region := text.Nearest(text.Fold(first), c.regions()); region != "" {
			first = region
		}
	}
	say := strings.TrimSpace(meant + " " + first + " " + after)
	return *refused("{%s} is not a command. Did you mean {%s}?", shown, say)
}

// regions are the names of the platform's Regions.
func (c *Commands) regions() []string {
	var names []string
	for name := range c.Topology.Regions {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// region is the Region of that name, "" if there is none.
func (c *Commands) region(word string) string {
	word = text.Fold(word)
	if _, ok := c.Topology.Regions[word]; ok {
		return word
	}
	return ""
}

// standby is a Region that could take over from the one that serves; "" for one
// that is not known means the home Region serves.
func (c *Commands) standby(active string) string {
	if active == "" {
		active = c.Topology.Home
	}
	for _, name := range c.regions() {
		if name != active {
			return name
		}
	}
	return "REGION"
}

// unknownRegion names those that there are.
func (c *Commands) unknownRegion(word, command string) error {
	known := c.regions()
	say := text.Format("%v is not a Region of this platform. Its Regions are %s.", typed(word), text.List(known, "and"))
	if odd := text.Strange(word); !odd.Empty() {
		say = say.Add(" In what was typed, %v.", odd)
	}
	if meant := text.Nearest(text.Fold(word), known); meant != "" {
		say = say.Add(" Did you mean {%s %s}?", command, meant)
	}
	return refuse("%v", say)
}

var regionLike = regexp.MustCompile(`^[a-z]{2}(-[a-z]+){1,3}-[0-9]$`)

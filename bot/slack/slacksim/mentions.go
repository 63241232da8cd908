package slacksim

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

var (
	escapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
	// code is what nobody is meant by.
	code = regexp.MustCompile("(?s)```.*?```|`[^`\n]+`")
)

// written is what a person typed as Slack's client sends it: escaped, and with
// whom and what they name in Slack's own notation, except in code. It says whether
// the bot is named. Called with mu held.
func (s *Server) written(p Person, text string) (sent string, bot bool) {
	text = escapes.Replace(text)
	names := s.names(p)
	var out strings.Builder
	plain := func(part string) {
		for part != "" {
			_, size := utf8.DecodeRuneInString(part)
			last, _ := utf8.DecodeLastRuneInString(out.String())
			if name, ref := named(part, names); name > 0 && !wordy(last) {
				out.WriteString(ref)
				bot = bot || ref == "<@"+BotUserID+">"
				part = part[name:]
				continue
			}
			out.WriteString(part[:size])
			part = part[size:]
		}
	}
	from := 0
	for _, at := range code.FindAllStringIndex(text, -1) {
		plain(text[from:at[0]])
		out.WriteString(text[at[0]:at[1]])
		from = at[1]
	}
	plain(text[from:])
	return out.String(), bot
}

type naming struct{ name, ref string }

// names are what a person can name, the longest first. Called with mu held.
func (s *Server) names(p Person) (list []naming) {
	add := func(sign, name, ref string) {
		if name != "" {
			list = append(list, naming{sign + escapes.Replace(name), ref})
		}
	}
	add("@", s.opt.BotName, "<@"+BotUserID+">")
	for _, one := range s.opt.People {
		add("@", one.Name, "<@"+one.ID+">")
		add("@", one.handle(), "<@"+one.ID+">")
	}
	for _, g := range s.groups {
		add("@", g.Handle, "<!subteam^"+g.ID+">")
	}
	for _, all := range []string{"here", "channel", "everyone"} {
		add("@", all, "<!"+all+">")
	}
	for _, ch := range s.channels {
		if ch.seenBy(p.ID) {
			add("#", ch.Name, "<#"+ch.ID+">")
		}
	}
	slices.SortStableFunc(list, func(a, b naming) int { return len(b.name) - len(a.name) })
	return list
}

// named is the name that a text begins with, how long it is, and its notation. A
// name ends where its word does.
func named(text string, names []naming) (length int, ref string) {
	if text[0] != '@' && text[0] != '#' {
		return 0, ""
	}
	for _, one := range names {
		n := len(one.name)
		if len(text) < n || !strings.EqualFold(text[:n], one.name) || !ends(text[n:]) {
			continue
		}
		return n, one.ref
	}
	return 0, ""
}

// ends says whether a name can stop where this follows: "@bob." is Bob, and
// "@bob.smith" or "@bob-2" is somebody else.
func ends(rest string) bool {
	r, size := utf8.DecodeRuneInString(rest)
	if r == '.' || r == '-' {
		r, _ = utf8.DecodeRuneInString(rest[size:])
	}
	return !wordy(r)
}

func wordy(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }

package commands

import (
	"strings"

	"github.com/failoverbot/failoverbot/incident/text"
)

// called are the people of the tests by id.
var called = map[string]string{alice: "Alice", bob: "Bob", carol: "Carol", dave: "Dave", erin: "Erin"}

// face is one that has nothing but characters.
var face = text.Plain{Called: func(id string) string { return called[id] }}

// shown is what a person reads there.
func shown(t text.Text) string { return face.Render(t) }

// repeats says that words are part of a text, and nowhere as the bot's own: a face
// knows whose they are.
func repeats(t text.Text, words string) bool {
	found := false
	for s := range t.Spans() {
		if strings.Contains(s.Text, words) {
			if s.Kind != text.Quoted && s.Kind != text.Block {
				return false
			}
			found = true
		}
	}
	return found
}

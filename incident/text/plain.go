package text

import "strings"

// Plain renders Text in characters alone, for a terminal, a file, or a field that
// takes no markup. Its zero value names people by their ids and the command
// "/failover".
type Plain struct {
	// Called is what a person is called, "" for one who has no name; nil knows
	// nobody. A person without a name is shown by id.
	Called func(id string) string
	// Command is what stands before an Order: "/failover" if empty.
	Command string
}

// Render writes it. Lines are as they are in the Text; nothing is wrapped, and nothing
// in it steers a terminal.
func (p Plain) Render(t Text) string {
	var b strings.Builder
	for s := range t.Spans() {
		switch s.Kind {
		case Name:
			b.WriteString(p.name(s.Text))
		case Order:
			b.WriteString("'" + p.order(s.Text) + "'")
		case Typed:
			b.WriteString("'" + s.Text + "'")
		case Moment:
			b.WriteString(s.Precision.UTC(s.Time))
		case Words, Value, Quoted, Prose, Code, Strong, Block:
			b.WriteString(s.Text)
		}
	}
	return b.String()
}

func (p Plain) name(id string) string {
	if p.Called != nil {
		if name := line(p.Called(id)); name != "" {
			return name
		}
	}
	return id
}

func (p Plain) order(words string) string {
	command := p.Command
	if command == "" {
		command = "/failover"
	}
	return strings.TrimSpace(command + " " + words)
}

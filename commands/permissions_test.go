package commands

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// standings are who somebody can be, with what the page calls them.
var standings = []struct {
	id, called string
	person     Person
}{
	{"pc", "commander", person("pc", "Pc", false, Commander)},
	{"pa", "approver", person("pa", "Pa", false, Approver)},
	{"pr", "responder", person("pr", "Pr", false, Responder)},
	{"pn", "on the roster, no role", person("pn", "Pn", false)},
	{"pb", "no role, break-glass", person("pb", "Pb", true)},
	{"po", "outsider", Person{}},
}

// permitted is what each of them may ask, by verb and then in the order of standings.
// A change of who may do what is a change of this table.
var permitted = map[string]string{
	//            comm  appr  resp  none  glass outs
	"start":          "yes   yes   no    no    no    no",
	"start_proposed": "yes   yes   no    no    no    no",
	"not_now":        "yes   yes   no    no    no    no",
	"check":          "yes   yes   yes   no    no    no",
	"status":         "yes   yes   yes   yes   yes   yes",
	"readiness":      "yes   yes   yes   no    no    no",
	"go":             "yes   yes   no    no    no    no",
	"go_override":    "yes   yes   no    no    no    no",
	"approve":        "no    yes   no    no    no    no",
	"details":        "yes   yes   yes   no    no    no",
	"decline":        "yes   yes   no    no    no    no",
	"break_glass":    "no    no    no    no    no    no",
	"answer":         "yes   yes   yes   no    no    no",
	"remind":         "yes   yes   yes   no    no    no",
	"retry":          "yes   yes   no    no    no    no",
	"skip":           "yes   yes   no    no    no    no",
	"go_on":          "yes   yes   no    no    no    no",
	"pause":          "yes   yes   yes   no    no    no",
	"resume":         "yes   yes   no    no    no    no",
	"abort":          "yes   yes   no    no    no    no",
	"resolve":        "yes   yes   no    no    no    no",
	"switch":         "yes   yes   no    no    no    no",
	"overwrite":      "yes   yes   no    no    no    no",
	"abort_back":     "yes   yes   no    no    no    no",
	"abort_leave":    "yes   yes   no    no    no    no",
	"take_back":      "yes   yes   no    no    no    no",
	"impact":         "yes   yes   yes   no    no    no",
	"close_point":    "yes   yes   no    no    no    no",
	"confirm":        "yes   yes   yes   no    no    no",
	"deny":           "yes   yes   yes   no    no    no",
	"here":           "yes   yes   yes   yes   yes   yes",
	"repair":         "yes   yes   no    no    no    no",
	"note":           "yes   yes   yes   no    no    no",
	"timeline":       "yes   yes   yes   no    no    no",
	"review":         "yes   yes   yes   no    no    no",
	"evidence":       "yes   yes   yes   no    no    no",
	"failback":       "yes   yes   no    no    no    no",
	"restore":        "yes   yes   no    no    no    no",
	"servers":        "yes   yes   no    no    no    no",
	"rebuild":        "yes   yes   no    no    no    no",
	"drill":          "yes   yes   yes   no    no    no",
	"help":           "yes   yes   yes   yes   yes   yes",
}

// forbidden says that an answer refuses the person and not the moment.
func forbidden(a Answer) bool {
	said := shown(a.Text)
	return a.Refused && slices.ContainsFunc([]string{"not on the roster of this bot", "; you are ", "break-glass list"}, func(words string) bool { return strings.Contains(said, words) })
}

// ways are how the same is asked: typed or as a mention, by a button, by a form.
func ways(verb, question string) map[string]Ask {
	values := map[string]string{"reason": "x", "region": "us-west-2", "text": "x", "choice": "done"}
	return map[string]Ask{
		"typed":  {Verb: verb, Text: "us-west-2 x"},
		"button": {Verb: verb, On: question, CanForm: true},
		"form":   {Verb: verb, On: question, Values: values},
	}
}

func TestWhoMayAskWhatByEveryWay(t *testing.T) {
	for _, v := range verbs() {
		want := strings.Fields(permitted[v.name])
		if len(want) != len(standings) {
			t.Errorf("the table of permissions has %d entries for %s", len(want), v.name)
			continue
		}
		for i, who := range standings {
			for way, ask := range ways(v.name, "q7") {
				r := promoting(t)
				for _, s := range standings[:len(standings)-1] {
					r.Roster = append(r.Roster, s.person)
				}
				ask.Via = by(who.id)
				if q := r.state().Open; len(q) > 0 && ask.On != "" {
					ask.On = q[0]
				}
				before := len(r.events())
				a := r.ask(ask)
				if v.name == "answer" && a.Refused { // by the question that is open, see the page
					continue
				}
				if may := !forbidden(a); may != (want[i] == "yes") {
					t.Errorf("%s, %s by %s: %s", who.called, v.name, way, shown(a.Text))
				}
				if want[i] == "no" && len(r.events()) != before {
					t.Errorf("%s, %s by %s: something was appended", who.called, v.name, way)
				}
			}
		}
	}
}

// The page is made from the table, so it cannot say anything else.
func TestThePageOfPermissionsSaysWhatIsSo(t *testing.T) {
	var b strings.Builder
	b.WriteString(`# Who may do what

This page is made from the table that a test holds against every command, button and
form (` + "`make golden`" + ` writes it anew). A mention is a command. Whoever keeps the
settings gives the roles.

| | `)
	for _, who := range standings {
		b.WriteString(who.called + " | ")
	}
	b.WriteString("guest, deactivated, another organisation | another workspace or app |\n|---|" + strings.Repeat("---|", len(standings)+2) + "\n")
	for _, v := range verbs() {
		fmt.Fprintf(&b, "| %s |", strings.ReplaceAll(v.name, "_", "-"))
		for may := range strings.FieldsSeq(permitted[v.name]) {
			fmt.Fprintf(&b, " %s |", may)
		}
		b.WriteString(" no | no |\n")
	}
	b.WriteString(`
Besides:

- **approve**: whoever declared the incident, began the run, pressed Go, or
  retried the step or one that the same yes covers may not approve it.
- **break-glass**: a person on the break-glass list, once a question has expired
  unanswered, and with one of the roles above.
- **answer**: the role that the question names; the table says who may try.
- **confirm**, **deny**: each for themselves, and by a button whoever was asked; a deploy
  freeze and the addresses of partners are for a commander to tell.
- **here**: a commander as such; for support whoever the settings name (` + "`slack.support`" + `),
  on the roster or not. Nobody else.
- **no role** reads status and help. So does an outsider.
- When Slack cannot say who somebody is, what it said within the last 24 hours counts.
  Whoever it never knew may look and not decide.
`)
	file := filepath.Join("..", "docs", "PERMISSIONS.md")
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if there, err := os.ReadFile(file); err != nil || string(there) != b.String() {
		t.Errorf("docs/PERMISSIONS.md is not what the table says (%v); make golden", err)
	}
}

package commands

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/failoverbot/failoverbot/incident/text"
)

var update = flag.Bool("update", false, "write the golden files anew")

// transcript is what people ask in a row of rooms, and what they are answered, on a
// face that has nothing but characters.
type transcript struct {
	t    *testing.T
	room *room
	out  strings.Builder
	// answered and refused are the verbs to which that happened.
	answered, refused map[string]bool
}

// in says where what follows is asked.
func (tr *transcript) in(where string, r *room) *room {
	tr.room = r
	fmt.Fprintf(&tr.out, "\n==== %s\n", where)
	return r
}

// says asks what somebody types.
func (tr *transcript) says(person, line string) Answer {
	tr.t.Helper()
	verb, rest := Parse(line)
	return tr.hears(fmt.Sprintf("%s types: %s", name(person), line), Ask{Via: by(person), Verb: verb, Text: rest})
}

// presses asks what a button does.
func (tr *transcript) presses(person, verb, on string) Answer {
	tr.t.Helper()
	return tr.hears(fmt.Sprintf("%s presses: %s %s", name(person), verb, on), Ask{Via: by(person), Verb: verb, On: on, CanForm: true})
}

// fills asks what a form that was filled in does.
func (tr *transcript) fills(person, verb, on string, values map[string]string) Answer {
	tr.t.Helper()
	var filled []string
	for _, field := range slices.Sorted(maps.Keys(values)) {
		filled = append(filled, field+"="+values[field])
	}
	return tr.hears(fmt.Sprintf("%s fills in: %s %s (%s)", name(person), verb, on, strings.Join(filled, ", ")),
		Ask{Via: by(person), Verb: verb, On: on, Values: values})
}

func (tr *transcript) hears(how string, ask Ask) Answer {
	tr.t.Helper()
	a := tr.room.ask(ask)
	verb := strings.ReplaceAll(ask.Verb, "-", "_")
	if a.Refused {
		tr.refused[verb] = true
	} else {
		tr.answered[verb] = true
	}
	tr.tries(how, ask, a)
	fmt.Fprintf(&tr.out, "\n-- %s\n", text.Shorten(how, 200))
	state := "answered"
	if a.Refused {
		state = "refused"
	}
	if a.Public {
		state += ", for everybody"
	}
	fmt.Fprintf(&tr.out, "   (%s)\n", state)
	tr.ownWords(a.Text)
	tr.lines(shown(a.Text))
	for _, b := range a.Buttons {
		tr.lines("[" + b.Label + "]")
	}
	for _, field := range slices.Sorted(maps.Keys(a.Errors)) {
		tr.ownWords(a.Errors[field])
		tr.lines("wrong with " + field + ": " + shown(a.Errors[field]))
	}
	if f := a.Form; f != nil {
		tr.lines("form " + f.Title)
		tr.ownWords(f.Text)
		tr.lines(shown(f.Text))
		for _, field := range f.Fields {
			tr.ownWords(field.Hint)
			tr.lines(fmt.Sprintf("%s: %s", field.Label, shown(field.Hint)))
			for _, c := range field.Choices {
				tr.lines("  ( ) " + c.Label)
			}
		}
		tr.lines("[" + f.Submit + "]")
	}
	if a.File != nil {
		tr.lines("file " + a.File.Name)
	}
	if a.Later != nil {
		later := a.Later(tr.t.Context())
		tr.ownWords(later.Text)
		tr.lines("later: " + shown(later.Text))
	}
	return a
}

func (tr *transcript) lines(s string) {
	for l := range strings.SplitSeq(s, "\n") {
		if l != "" {
			tr.out.WriteString("   " + l + "\n")
		}
	}
}

func name(id string) string {
	if n := called[id]; n != "" {
		return n
	}
	return id
}

// slackSyntax means something to Slack alone, so the bot's own words have none.
var slackSyntax = regexp.MustCompile("<[@!#]|&(lt|gt|amp);|`|\\*[^\\s*][^*\n]*\\*|(^|\\s)_[^\\s_][^_\n]*_|:[a-z][a-z_+-]+:|[∗＿∼ˋ]")

// ownWords asserts that of a text. What people typed and outside systems said is
// shown as it was.
func (tr *transcript) ownWords(said text.Text) {
	tr.t.Helper()
	for s := range said.Spans() {
		switch s.Kind {
		case text.Quoted, text.Typed, text.Order, text.Block:
		default:
			if found := slackSyntax.FindString(s.Text); found != "" {
				tr.t.Errorf("%q has %q", s.Text, found)
			}
		}
	}
}

// changing are digests and ids in the transcript that say nothing to who reads it.
var changing = regexp.MustCompile(`(Plan |\bq)([0-9a-f]{6}|[0-9]{2,}|-[a-z0-9]{10})\b`)

// rendered is what only a face for Slack makes, or a Format that lacks an argument.
var rendered = regexp.MustCompile("<@|&(lt|gt|amp);|`|[∗＿∼ˋ]|%!")

// Every answer is shown on a face that has nothing but characters. What is in the
// file was read by people: make golden writes it, look at the difference.
func TestEveryAnswerIsShownInPlainText(t *testing.T) {
	tr := &transcript{t: t, answered: map[string]bool{}, refused: map[string]bool{}}
	for _, play := range []func(*testing.T, *transcript){
		playNothingOpen, playProved, playStart, playReadiness, playApproval, playStopped, playAskedAgain, playSwitch, playSigns, playEnd, playTakeBack, playImpact, playAsked, playConfirm, playProposal, playSeveralOpen, playRecordAway, playRestore, playServers, playRebuild, playEvidence, playDrills,
	} {
		play(t, tr)
	}
	said := changing.ReplaceAllString(tr.out.String(), "$1…")

	for _, v := range verbs() {
		if !tr.answered[v.name] {
			t.Errorf("%s is never answered", v.name)
		}
		if !tr.refused[v.name] && v.name != "help" {
			t.Errorf("%s is never refused", v.name)
		}
	}
	for i, l := range strings.Split(said, "\n") {
		if strings.HasPrefix(l, "--") {
			continue // as typed
		}
		// Nobody in it typed any of these.
		if found := rendered.FindString(l); found != "" {
			t.Errorf("line %d has %q: %s", i+1, found, l)
		}
	}
	for _, piece := range sentences(t) {
		if !strings.Contains(said, piece) {
			t.Errorf("nobody is told %q", piece)
		}
	}

	file := filepath.Join("testdata", "answers.txt")
	if *update {
		if err := os.WriteFile(file, []byte(said), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v (make golden writes it)", err)
	}
	if string(want) != said {
		old := strings.Split(string(want), "\n")
		for i, l := range strings.Split(said, "\n") {
			if i >= len(old) || old[i] != l {
				t.Fatalf("answers.txt differs from line %d on; if that is meant, make golden\nis  %q\nwas %q", i+1, l, old[min(i, len(old)-1)])
			}
		}
		t.Fatal("answers.txt has more than is said; if that is meant, make golden")
	}
}

// sentences are the pieces of all that this package can say: the words of its
// constants between what is filled in.
func sentences(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	filledIn := regexp.MustCompile(`%.|[{}\n]`)
	var out []string
	keep := func(e ast.Expr) {
		lit, ok := e.(*ast.BasicLit)
		if !ok || lit.Kind != token.STRING {
			return
		}
		said, err := strconv.Unquote(lit.Value)
		if err != nil {
			t.Fatal(err)
		}
		for _, piece := range filledIn.Split(said, -1) {
			if piece = strings.TrimSpace(piece); len(piece) > 3 {
				out = append(out, piece)
			}
		}
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) == 0 {
				return true
			}
			switch fun := call.Fun.(type) {
			case *ast.Ident:
				if fun.Name == "refuse" || fun.Name == "refused" {
					keep(call.Args[0])
				}
			case *ast.SelectorExpr:
				from, _ := fun.X.(*ast.Ident)
				ours := from != nil && from.Name == "text"
				if fun.Sel.Name == "Add" || ours && slices.Contains([]string{"Format", "Heading", "Literal"}, fun.Sel.Name) {
					keep(call.Args[0])
				}
			}
			return true
		})
	}
	if len(out) < 150 {
		t.Fatalf("only %d pieces were found", len(out))
	}
	return out
}

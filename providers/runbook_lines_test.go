package providers_test

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// runbookLines lists the lines of the source document, of which the repository keeps
// no text: section and number, kind, the command's name, and a digest.
const runbookLines = "testdata/runbook-lines.tsv"

// sourceLine is what the source document asks for in one place.
type sourceLine struct {
	at      string // section and number within it: 4.2
	kind    string
	command string // of a command, what it begins with: aws rds describe-db-clusters
	digest  string // the first 12 hex digits of the SHA-256 of its words
}

func (l sourceLine) String() string {
	return strings.Join([]string{l.at, l.kind, l.command, l.digest}, "\t")
}

// The kinds of lines, and what each looks like.
const (
	item    = "item"    // of a checklist
	command = "command" // one or several under a comment of their own
	stage   = "step"    // a numbered step: a heading, or an item of a numbered list
	field   = "field"   // of a form to be filled in
)

var (
	sectionHead = regexp.MustCompile(`^## ([0-9]+)\. `)
	stepHead    = regexp.MustCompile(`^### Step [0-9]+`)
	numbered    = regexp.MustCompile(`^[0-9]+\. `)
	formField   = regexp.MustCompile(`^(\[[A-Z]+\]$|[A-Z][A-Za-z ]+:( |$)|Dear |Best regards)`)
	tableRow    = regexp.MustCompile(`^\| `)
	boldField   = regexp.MustCompile(`^(- )?\*\*[^*]+:\*\*`)
	tableHead   = regexp.MustCompile(`^\| (Field|Time|Action) `)
	partHead    = regexp.MustCompile(`^### `)
)

// linesOf reads a runbook that is written in Markdown as the source document is: a
// line is an item of a checklist, a step that has a heading or a number, the commands
// under one comment, or a field of a form.
func linesOf(doc string) []sourceLine {
	var (
		out     []sourceLine
		text    []string
		section string
		number  int
		words   []string
		now     sourceLine
	)
	end := func() {
		switch n := len(out); {
		case now.kind == "":
		case now.kind == command && now.command == "" && n > 0:
			// Comments without a command say more about the line before them.
			text[n-1] += " " + strings.Join(words, " ")
			number--
		default:
			out, text = append(out, now), append(text, strings.Join(words, " "))
		}
		now, words = sourceLine{}, nil
	}
	begin := func(kind, first string) {
		end()
		number++
		now, words = sourceLine{at: fmt.Sprintf("%s.%d", section, number), kind: kind}, []string{first}
	}
	code, shell, commented, listed, head := false, false, false, false, ""
	for sc := bufio.NewScanner(strings.NewReader(doc)); sc.Scan(); {
		l := strings.TrimSpace(sc.Text())
		switch {
		case strings.HasPrefix(l, "```"):
			if code = !code; !code {
				end()
			}
			shell, commented = strings.HasPrefix(l, "```bash"), false
		case code && shell && strings.HasPrefix(l, "#"):
			// A comment below commands belongs to what follows it, or, where nothing
			// does, to them.
			if !commented && now.command != "" {
				end()
			}
			if now.kind == "" {
				begin(command, l)
			} else {
				words = append(words, l)
			}
			commented = true
		case code && shell && l != "":
			commented = false
			if now.kind == "" {
				begin(command, "")
			}
			if now.command == "" {
				now.command = commandName(l)
			}
			words = append(words, l)
		case code && !shell && formField.MatchString(l):
			begin(field, l)
		case code:
			words = append(words, l)
		case sectionHead.MatchString(l):
			end()
			section, number, head = sectionHead.FindStringSubmatch(l)[1], 0, ""
		case section == "":
		case strings.HasPrefix(l, "- [ ] "):
			begin(item, l)
		case partHead.MatchString(l):
			end()
			if head, listed = l, false; stepHead.MatchString(l) {
				begin(stage, l)
			}
		case numbered.MatchString(l):
			begin(stage, l)
		case strings.HasPrefix(l, "- ["), strings.HasPrefix(l, "| ["):
			if !listed { // a list to be filled in is one field, however long
				begin(field, head)
			}
			listed = true
		case boldField.MatchString(l), tableRow.MatchString(l) && !tableHead.MatchString(l):
			begin(field, l)
		case now.kind == stage && l != "" && !strings.HasPrefix(l, "---"):
			words = append(words, l)
		default:
			end()
		}
	}
	end()
	for n := range out {
		sum := sha256.Sum256([]byte(strings.Join(strings.Fields(text[n]), " ")))
		out[n].digest = hex.EncodeToString(sum[:])[:12]
	}
	return out
}

// commandForm finds the first command of a line of shell, with what says which it is.
var commandForm = regexp.MustCompile(`\b(?:(aws) ([a-z0-9-]+) ([a-z-]+)|(kubectl) (?:--context \S+ )?([a-z]+)|(velero) ([a-z]+) ([a-z]+)|(dig|curl) )`)

func commandName(l string) string {
	var name []string
	for n, word := range commandForm.FindStringSubmatch(l) {
		if n > 0 && word != "" {
			name = append(name, word)
		}
	}
	return strings.Join(name, " ")
}

// lineRow is a line as docs/RUNBOOK.md tells it.
type lineRow struct {
	at, asks string
	steps    []string
	done     string // made: the actions of the steps, and their gates
	note     string
}

var lineForm = regexp.MustCompile(`^\| ([0-9]+\.[0-9]+|\+) \| (.*?) \| (.*?) \| (.*?) \| (.*?) \|$`)

// lineRows are the rows of the page's last part, and the page with what is made in
// them made anew.
func lineRows(t *testing.T, doc string, steps map[string]*step) (out []lineRow, anew string) {
	t.Helper()
	var b strings.Builder
	inside := false
	for l := range strings.Lines(doc) {
		if strings.HasPrefix(l, "## ") {
			inside = strings.HasSuffix(strings.TrimSpace(l), "line by line")
		}
		if !inside {
			b.WriteString(l)
			continue
		}
		m := lineForm.FindStringSubmatch(strings.TrimSpace(l))
		if m == nil {
			if strings.HasPrefix(l, "| ") && regexp.MustCompile(`^\| [0-9+]`).MatchString(l) {
				t.Errorf("a row that cannot be read: %s", l)
			}
			b.WriteString(l)
			continue
		}
		r := lineRow{at: m[1], asks: m[2], done: m[4], note: m[5]}
		var made []string
		for _, name := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(m[3], -1) {
			id := strings.TrimSuffix(name[1], "/<service>")
			r.steps = append(r.steps, id)
			if s := steps[id]; s != nil {
				made = append(made, fmt.Sprintf("`%s`, %s", s.Uses, s.gate()))
			}
		}
		slices.Sort(made)
		r.done = strings.Join(slices.Compact(made), "; ")
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", r.at, r.asks, m[3], r.done, r.note)
		r.done = m[4]
		out = append(out, r)
	}
	return out, b.String()
}

// Each line of the source document has a row, each row a line, each step of the plan a
// row, and what has no step says how it is met, or why not yet.
func TestTheRunbookPageHasARowForEachLine(t *testing.T) {
	list, err := os.ReadFile(runbookLines)
	if err != nil {
		t.Fatal(err)
	}
	var lines []sourceLine
	for l := range strings.Lines(string(list)) {
		if f := strings.Split(strings.TrimRight(l, "\n"), "\t"); len(f) == 4 {
			lines = append(lines, sourceLine{f[0], f[1], f[2], f[3]})
		} else {
			t.Errorf("a line that cannot be read: %q", l)
		}
	}
	data, err := os.ReadFile(runbookPage)
	if err != nil {
		t.Fatal(err)
	}
	steps, order := stepsOf(t)
	rows, anew := lineRows(t, string(data), steps)
	switch {
	case *update:
		if err := os.WriteFile(runbookPage, []byte(anew), 0o644); err != nil {
			t.Fatal(err)
		}
	case anew != string(data):
		t.Error("the actions and gates beside the lines are not those of the plan: make golden writes them anew")
	}

	byAt := map[string]sourceLine{}
	var want, got []string
	for _, l := range lines {
		byAt[l.at] = l
		want = append(want, l.at)
	}
	named := map[string]bool{}
	for _, r := range rows {
		l := byAt[r.at]
		if r.at != "+" {
			got = append(got, r.at)
		}
		if l.command != "" && !strings.Contains(r.asks, "`"+l.command+"`") {
			t.Errorf("%s: the row does not name the command %q", r.at, l.command)
		}
		for _, id := range r.steps {
			if named[id] = true; steps[id] == nil {
				t.Errorf("%s: the row names the step %q, which is in no plan", r.at, id)
			}
		}
		if len(r.steps) == 0 && !strings.HasPrefix(r.note, "Not yet: ") && !strings.HasPrefix(r.note, "Met by ") {
			t.Errorf("%s has no step: its row says \"Met by ...\", or \"Not yet: \" and the reason", r.at)
		}
		if section, _, _ := strings.Cut(r.at, "."); strings.HasPrefix(r.note, "Not yet: ") && section >= "3" && section <= "8" && len(section) == 1 {
			t.Errorf("%s moves or restores users, so something carries it out: %s", r.at, r.note)
		}
	}
	if !slices.Equal(got, want) {
		for _, at := range want {
			if !slices.Contains(got, at) {
				t.Errorf("line %s of the source document has no row", at)
			}
		}
		for _, at := range got {
			if _, known := byAt[at]; !known {
				t.Errorf("row %s is about no line of the source document", at)
			}
		}
		t.Error("the rows are not those of the lines, in their order")
	}
	for _, id := range order {
		if !named[id] {
			t.Errorf("step %q carries out no line: give it a row, or name it in one with \"+\"", id)
		}
	}
}

// The list is made from the document, whose text is not kept here: whoever has it says
// where, and the list is compared, or with -update written anew.
func TestTheListOfLinesIsThatOfTheDocument(t *testing.T) {
	at := os.Getenv("FAILOVERBOT_SOURCE_DOCUMENT")
	if at == "" {
		t.Skip("FAILOVERBOT_SOURCE_DOCUMENT does not say where the source document is")
	}
	doc, err := os.ReadFile(at)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, l := range linesOf(string(doc)) {
		fmt.Fprintln(&b, l)
	}
	if *update {
		if err := os.WriteFile(runbookLines, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	list, err := os.ReadFile(runbookLines)
	if err != nil {
		t.Fatal(err)
	}
	if string(list) != b.String() {
		t.Errorf("the document has other lines than %s: run with -update, look at the difference, and give each new line its row", runbookLines)
	}
}

func TestLinesAreReadFromARunbook(t *testing.T) {
	const doc = "## 3. Move\n\nProse.\n\n### Step 1: Look\n\n```bash\n# one\n# and more of it\naws rds describe-db-clusters \\\n  --region x\naws rds other\n\n# two\nkubectl --context x get pods\n# Said of it.\n```\n\n" +
		"## 4. Check\n\n- [ ] this\n- [ ] that: `dig x`\n\n### Form\n\n```\nTitle: x\nmore\nStatus: y\n```\n\n- [ITEM 1]\n- [ITEM 2]\n"
	var got []string
	for _, l := range linesOf(doc) {
		if len(l.digest) != 12 {
			t.Errorf("%s: digest %q", l.at, l.digest)
		}
		got = append(got, strings.TrimRight(l.at+" "+l.kind+" "+l.command, " "))
	}
	want := []string{
		"3.1 step", "3.2 command aws rds describe-db-clusters", "3.3 command kubectl get",
		"4.1 item", "4.2 item", "4.3 field", "4.4 field", "4.5 field",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	changed := linesOf(strings.Replace(doc, "that: ", "that, too: ", 1))
	for n, l := range linesOf(doc) {
		if same := changed[n].digest == l.digest; same != (l.at != "4.2") {
			t.Errorf("%s: with other words in 4.2 its digest is the same: %v", l.at, same)
		}
	}
}

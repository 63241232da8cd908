package evidence

import (
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the list of the control's bullets anew")

// controlLines lists the bullets of the failback control, of which the repository keeps no
// text: number, way, the command's name, and a digest of the words.
const controlLines = "testdata/control-lines.tsv"

// bulletOf is what the control asks for in one place.
type bulletOf struct{ id, way, command, digest string }

func (b bulletOf) String() string {
	return strings.Join([]string{b.id, b.way, b.command, b.digest}, "\t")
}

// bulletsOf reads a control of the form that the source document has: a part by its
// heading, in it the ways, and a bullet a line; a line that ends with a colon goes on with
// the command below it.
func bulletsOf(doc string) (out []bulletOf) {
	parts := map[string]string{"Pre-requisites:": "pre", "Test Plan:": "test", "Implementation Plan:": "run", "Backout Plan:": "back"}
	ways := map[string]string{"Using AWS Console:": console, "Using AWS CLI:": commandLine}
	part, way, number := "", "", 0
	var words []string
	for line := range strings.Lines(doc) {
		line = strings.TrimSpace(line)
		switch {
		case parts[line] != "":
			part, way, number = parts[line], "", 0
			continue
		case ways[line] != "":
			way = ways[line]
			continue
		case part == "" || line == "" || line == "Remediation:":
			continue
		}
		words = append(words, line)
		if strings.HasSuffix(line, ":") {
			continue
		}
		b := bulletOf{way: way}
		if command, ok := strings.CutPrefix(line, "aws "); ok {
			name := strings.Fields(command)
			b.command = "aws " + strings.Join(name[:2], " ")
		}
		number++
		b.id = fmt.Sprintf("%s.%d", part, number)
		sum := sha256.Sum256([]byte(strings.Join(words, " ")))
		b.digest, words = hex.EncodeToString(sum[:])[:12], nil
		out = append(out, b)
	}
	return out
}

func listed(t *testing.T) (out []bulletOf) {
	t.Helper()
	data, err := os.ReadFile(controlLines)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) != 4 {
			t.Fatalf("%q has %d fields", line, len(f))
		}
		out = append(out, bulletOf{f[0], f[1], f[2], f[3]})
	}
	return out
}

// Each bullet of the document is answered, in its place, and no other.
func TestEachBulletOfTheControlIsAnswered(t *testing.T) {
	var want, got []string
	for _, b := range listed(t) {
		want = append(want, strings.Join([]string{b.id, b.way, b.command}, "\t"))
	}
	for _, b := range New(Options{}).Report().Control {
		got = append(got, strings.Join([]string{b.ID, b.Way, b.Command}, "\t"))
		if b.Asks == "" || b.Says == "" || b.Verdict != NotTested {
			t.Errorf("without any timeline %s is %+v", b.ID, b)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("answered are\n%s\nthe control has\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// The list is made from the document, whose text is not kept here: whoever has it says
// where, and the list is compared, or with -update written anew.
func TestTheListOfBulletsIsThatOfTheDocument(t *testing.T) {
	at := os.Getenv("FAILOVERBOT_CONTROL_DOCUMENT")
	if at == "" {
		t.Skip("FAILOVERBOT_CONTROL_DOCUMENT does not say where the control is")
	}
	doc, err := os.ReadFile(at)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, l := range bulletsOf(string(doc)) {
		fmt.Fprintln(&b, l)
	}
	if *update {
		if err := os.WriteFile(controlLines, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	list, err := os.ReadFile(controlLines)
	if err != nil {
		t.Fatal(err)
	}
	if string(list) != b.String() {
		t.Errorf("the document has other bullets than %s: run with -update, look at the difference, and answer each new one", controlLines)
	}
}

func TestBulletsAreReadFromAControl(t *testing.T) {
	const doc = "About:\nprose\nPre-requisites:\nA plan\nRemediation:\nTest Plan:\nUsing AWS Console:\nSign in\nLook\nUsing AWS CLI:\nStart it:\naws drs start-failback --source-server-id <id>\nSee\n"
	var got []string
	for _, b := range bulletsOf(doc) {
		if len(b.digest) != 12 {
			t.Errorf("%s has digest %q", b.id, b.digest)
		}
		got = append(got, strings.TrimSpace(b.id+" "+b.way+" "+b.command))
	}
	want := []string{"pre.1", "test.1 console", "test.2 console", "test.3 command line aws drs start-failback", "test.4 command line"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

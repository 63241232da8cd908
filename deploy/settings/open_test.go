package settings

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/failoverbot/failoverbot/incident/runbook/strict"
	"github.com/failoverbot/failoverbot/providers"
)

// Whatever is still to be filled in, a value, a list or a whole part, is said once, where
// it stands, with what to put there; and nothing else is said because of it.
func TestWhatIsStillToBeFilledInIsSaidOnceWhereItStands(t *testing.T) {
	data, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	var doc yaml.Node
	if err := yaml.Load(data, &doc); err != nil {
		t.Fatal(err)
	}
	tried := 0
	var each func(path string, n *yaml.Node)
	each = func(path string, n *yaml.Node) {
		if path != "" {
			tried++
			was := *n
			*n = yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: "FILL IN: what belongs there", Style: yaml.DoubleQuotedStyle}
			text, err := yaml.Dump(&doc, yaml.WithLineWidth(-1))
			*n = was
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(t.TempDir(), "config.yaml")
			if err := os.WriteFile(file, text, 0o600); err != nil {
				t.Fatal(err)
			}
			_, err = Load(file, environ(nil), providers.Parts())
			var found strict.Faults
			if !errors.As(err, &found) {
				t.Fatalf("%s: %v", path, err)
			}
			line := 0
			for i, l := range strings.Split(string(text), "\n") {
				if strings.Contains(l, "FILL IN") {
					line = i + 1
				}
			}
			if len(found) != 1 || found[0].Line != line || !strings.HasSuffix(found[0].Text, "is still to be filled in: what belongs there") {
				t.Errorf("%s, in line %d:\n%v", path, line, found)
			}
		}
		switch n.Kind {
		default: // a single value
		case yaml.MappingNode:
			for i := 0; i+1 < len(n.Content); i += 2 {
				each(strict.Join(path, n.Content[i].Value), n.Content[i+1])
			}
		case yaml.SequenceNode:
			for i, c := range n.Content {
				each(fmt.Sprintf("%s[%d]", path, i), c)
			}
		}
	}
	each("", doc.Content[0])
	if tried < 100 {
		t.Errorf("only %d places were tried", tried)
	}
}

// What is wrong elsewhere is said beside it.
func TestWhatIsWrongElsewhereIsSaidBesideWhatIsToBeFilledIn(t *testing.T) {
	data, err := os.ReadFile(written(t, "channel: C0123456789", "channel: incidents"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "config.yaml")
	text := strings.Replace(string(data), "  home: us-east-1", "  home: FILL IN", 1)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	found := faults(t, file, nil)
	if len(found) != 2 || !strings.Contains(found[0].Text, `"channel" wants a channel's id`) || found[1].Text != `"home" is still to be filled in` {
		t.Errorf("%v", found)
	}
}

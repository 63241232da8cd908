package slack

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// What goes past something is never the first button and never coloured, in any message
// that is shown.
func TestNoOverrideIsFirstOrColoured(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d messages: %v", len(files), err)
	}
	past := []string{"fo.go_override", "fo.go_on", "fo.break_glass"}
	seen := 0
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var all any
		if err := json.Unmarshal(data, &all); err != nil {
			continue // not a message
		}
		rows(all, func(row []any) {
			for i, e := range row {
				button, ok := e.(map[string]any)
				if !ok {
					continue
				}
				action, ok := button["action_id"].(string)
				if !ok || !slices.Contains(past, action) {
					continue
				}
				seen++
				if i == 0 || button["style"] != nil {
					t.Errorf("%s: %s stands at place %d, style %v", file, action, i+1, button["style"])
				}
			}
		})
	}
	if seen == 0 {
		t.Error("no message has an override")
	}
}

// rows finds the elements of all blocks.
func rows(v any, see func([]any)) {
	switch v := v.(type) {
	case map[string]any:
		if elements, ok := v["elements"].([]any); ok {
			see(elements)
		}
		for _, inner := range v {
			rows(inner, see)
		}
	case []any:
		for _, inner := range v {
			rows(inner, see)
		}
	}
}

package text

import (
	"encoding/json"
	"testing"
)

func TestWhatSteersIsEscapedInJSONAndStaysTheSame(t *testing.T) {
	in := map[string]string{"reason": "\x1b[31m \u009b2J \u202eevil\u2069 \x7f Zoë <b> 👩‍🚒"}
	data, err := json.MarshalIndent(in, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	got := JSON(data)
	for _, r := range string(got) {
		if r != '\n' && r != '\t' && steers(r) {
			t.Errorf("%U is left in %s", r, got)
		}
	}
	var back map[string]string
	if err := json.Unmarshal(got, &back); err != nil || back["reason"] != in["reason"] {
		t.Errorf("it reads back as %q (%v)", back["reason"], err)
	}
	if plain := []byte("{\r\n\t\"a\": 1}"); string(JSON(plain)) != string(plain) {
		t.Errorf("%q became %q", plain, JSON(plain))
	}
}

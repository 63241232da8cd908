package text

import "testing"

func TestAWordIsNearWhenFewLettersAreWrong(t *testing.T) {
	known := []string{"needs", "uses", "title", "timeout", "us-west-2"}
	for word, want := range map[string]string{
		"need": "needs", "tilte": "title", "timout": "timeout", "colour": "", "USES": "uses", "us-wst-2": "us-west-2", "": "", "x": "",
		"timeouttimeouttimeout": "",
	} {
		if got := Nearest(word, known); got != want {
			t.Errorf("%s: %q, want %q", word, got, want)
		}
	}
	if got := Nearest("x", nil); got != "" {
		t.Errorf("of no words %q is near", got)
	}
}

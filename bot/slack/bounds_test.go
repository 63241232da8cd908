package slack

import (
	"fmt"
	"testing"
)

// What is known of App Homes is kept to a bound, and never lost of those who are looked
// at now.
func TestOnlySoManyAppHomesAreRemembered(t *testing.T) {
	h := &homes{shown: map[string]shownHome{}, helped: map[string]helped{}}
	now := []string{"U1", "U2"}
	for n := range 20 * homesMax {
		person := fmt.Sprint("U", n)
		h.shown[person], h.helped[person] = shownHome{}, helped{}
		h.forget(now)
		if most := 4*homesMax + len(now); len(h.shown)+len(h.helped) > most {
			t.Fatalf("%d are remembered after %d people", len(h.shown)+len(h.helped), n+1)
		}
	}
	for _, person := range now {
		if _, kept := h.shown[person]; !kept {
			t.Errorf("%s is forgotten", person)
		}
	}
}

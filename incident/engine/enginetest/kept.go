package enginetest

import (
	"bytes"
	"fmt"

	"github.com/failoverbot/failoverbot/incident"
)

// Kept says whether all of before is at the beginning of after, byte for byte as it
// is stored.
func Kept(before, after []incident.Event) error {
	if len(after) < len(before) {
		return fmt.Errorf("%d events were there, %d are left", len(before), len(after))
	}
	for i := range before {
		was, is := before[i].Raw(), after[i].Raw()
		if len(was) == 0 {
			return fmt.Errorf("event %d was never stored", i+1)
		}
		if !bytes.Equal(was, is) {
			return fmt.Errorf("event %d was\n%s\nand is\n%s", i+1, was, is)
		}
	}
	return nil
}

package main

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

// TestWhatOnlyTheStartNeededIsGivenBack compares the pages of the program's file that are
// in memory, in kB, before and after.
func TestWhatOnlyTheStartNeededIsGivenBack(t *testing.T) {
	mapped := func() int {
		status, err := os.ReadFile("/proc/self/status")
		if err != nil {
			t.Skip("this kernel does not tell what is in memory:", err)
		}
		_, rest, found := strings.Cut(string(status), "RssFile:")
		if !found {
			t.Skip("this kernel does not tell pages of files apart")
		}
		kB, err := strconv.Atoi(strings.Fields(rest)[0])
		if err != nil {
			t.Fatal(err)
		}
		return kB
	}
	before := mapped()
	unmapStart()
	after := mapped()
	if after >= before*3/4 {
		t.Errorf("%d kB of files are in memory, before that %d", after, before)
	}
	if verbs(os.Getenv, nil).Commands() == nil {
		t.Error("the program has no verbs any more")
	}
}

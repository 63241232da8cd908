package main

import (
	"strings"
	"testing"
)

const module = "github.com/failoverbot/failoverbot"

// told is what is printed about the events, and whether all is well.
func told(t *testing.T, events string) (string, bool) {
	t.Helper()
	var out strings.Builder
	r := newReport(&out)
	if err := r.read(strings.NewReader(strings.ReplaceAll(events, "MODULE", module))); err != nil {
		t.Fatal(err)
	}
	ok := r.close()
	return out.String(), ok
}

func TestClosingLinesComeLastAndSkipsAreBoxedWithTheirReason(t *testing.T) {
	out, ok := told(t, `{"Action":"output","Package":"MODULE/bot","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"output","Package":"MODULE/bot","Test":"TestA","Output":"    a_test.go:62: redis-server is not installed\n"}
{"Action":"output","Package":"MODULE/bot","Test":"TestA","Output":"--- SKIP: TestA (0.00s)\n"}
{"Action":"skip","Package":"MODULE/bot","Test":"TestA","Elapsed":0}
{"Action":"pass","Package":"MODULE/bot","Test":"TestB","Elapsed":0.1}
{"Action":"output","Package":"MODULE/bot","Output":"ok  \tMODULE/bot\t0.100s\n"}
{"Action":"pass","Package":"MODULE/bot","Elapsed":0.1}
`)
	if !ok {
		t.Error("a skipped test made the whole fail")
	}
	if want := "| - bot.TestA: redis-server is not installed "; !strings.Contains(out, want) {
		t.Errorf("no line %q in\n%s", want, out)
	}
	if want := "ok  \t" + module + "/bot\t0.100s\n"; !strings.HasSuffix(out, want) {
		t.Errorf("the last line is not %q in\n%s", want, out)
	}
	if !strings.Contains(out, "1 tests passed, 0 failed, 1 things were not tested") {
		t.Errorf("wrong counts in\n%s", out)
	}
}

func TestWhatWasMeasuredIsShown(t *testing.T) {
	out, ok := told(t, `{"Action":"output","Package":"MODULE","Test":"TestA","Output":"    a_test.go:62: measured: 12 s for all of it\n"}
{"Action":"output","Package":"MODULE","Test":"TestA","Output":"    a_test.go:63: something else\n"}
{"Action":"pass","Package":"MODULE","Test":"TestA","Elapsed":1}
{"Action":"output","Package":"MODULE","Output":"ok  \tMODULE\t1.000s\n"}
{"Action":"pass","Package":"MODULE","Elapsed":1}
`)
	if want := "\nMeasured:\n  main.TestA: 12 s for all of it\n\n1 tests passed"; !ok || !strings.Contains(out, want) {
		t.Errorf("no %q in\n%s", want, out)
	}
}

func TestWhateverFailedIsShownInFull(t *testing.T) {
	for name, c := range map[string]struct{ events, want string }{
		"a test": {`{"Action":"output","Package":"MODULE","Test":"TestA","Output":"    a_test.go:1: one and not two\n"}
{"Action":"fail","Package":"MODULE","Test":"TestA"}
{"Action":"output","Package":"MODULE","Output":"FAIL\tMODULE\t0.1s\n"}
{"Action":"fail","Package":"MODULE"}
`, "one and not two"},
		"a build": {`{"ImportPath":"MODULE","Action":"build-output","Output":"main.go:1:1: undefined: x\n"}
{"ImportPath":"MODULE","Action":"build-fail"}
{"Action":"fail","Package":"MODULE","FailedBuild":"MODULE"}
`, "undefined: x"},
		"a panic in the middle of a test": {`{"Action":"output","Package":"MODULE","Test":"TestA","Output":"panic: gone\n"}
{"Action":"fail","Package":"MODULE"}
`, "panic: gone"},
		"go itself": {"go: go.mod file not found\n", "go.mod file not found"},
	} {
		t.Run(name, func(t *testing.T) {
			out, ok := told(t, c.events)
			if ok {
				t.Error("all is said to be well")
			}
			if !strings.Contains(out, c.want) {
				t.Errorf("%q is not shown in\n%s", c.want, out)
			}
		})
	}
}

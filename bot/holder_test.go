package bot

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// A process that ended is known to be gone only by its own name here.
func TestAProcessIsGoneOnlyWithProof(t *testing.T) {
	if place() == "" {
		t.Skip("this system does not tell about processes: nobody's end can be proved, so nobody is taken over before the lease has run out")
	}
	if me := holder(); gone(me) {
		t.Errorf("%s is gone, and asks", me)
	}
	child := exec.Command("sleep", "60")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	pid := child.Process.Pid
	began, _, ok := process(pid)
	if !ok {
		t.Fatal("its child cannot be seen")
	}
	host, _ := os.Hostname()
	name := func(pid int, where, when string) string {
		return fmt.Sprintf("%s/%d/abcd/%s/%s", host, pid, where, when)
	}
	its := name(pid, place(), began)
	if gone(its) {
		t.Errorf("%s is gone while it runs", its)
	}
	if !gone(name(pid, place(), began+"0")) {
		t.Error("another process with its id is taken for it")
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // killed
	if !gone(its) {
		t.Errorf("%s is not gone after its end", its)
	}
	for _, elsewhere := range []string{
		name(pid, "0123456789ab", began), strings.Join(strings.Split(its, "/")[:3], "/"), "", "one", name(0, "", ""), its + "/more", strings.Replace(its, fmt.Sprint("/", pid, "/"), "/x/", 1),
	} {
		if gone(elsewhere) {
			t.Errorf("%q is gone without proof", elsewhere)
		}
	}
}

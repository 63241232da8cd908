package kubetest

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// starts makes this binary a run of tests that starts a program and goes on.
const starts = "KUBETEST_STARTS_A_PROGRAM"

func TestMain(m *testing.M) {
	if dir := os.Getenv(starts); dir != "" {
		p, err := newProcesses().start("sleep", filepath.Join(dir, "log"), exec.Command("sleep", "600"))
		if err != nil {
			panic(err)
		}
		fmt.Println(p.cmd.Process.Pid)
		time.Sleep(time.Minute) // until it is killed
		return
	}
	os.Exit(Main(m))
}

// running reports whether a process is there and not just waiting to be collected.
func running(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err == nil {
		var id int
		var name, state string
		if _, err := fmt.Sscanf(string(stat), "%d %s %s", &id, &name, &state); err == nil {
			return state != "Z"
		}
	}
	return err == nil
}

func waitUntilGone(t *testing.T, pid int) {
	t.Helper()
	for until := time.Now().Add(10 * time.Second); running(pid); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("process %d still runs", pid)
		}
	}
}

func TestWhatWasStartedDiesWithTheTestsThatStartedIt(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux can be asked to kill a process with its parent: NOT TESTED")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	tests := exec.Command(self)
	tests.Env = append(os.Environ(), starts+"="+t.TempDir())
	out, err := tests.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := tests.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(line[:len(line)-1])
	if err != nil {
		t.Fatal(err)
	}
	if !running(pid) {
		t.Fatal("the program does not run")
	}
	if err := tests.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	var killed *exec.ExitError
	if err := tests.Wait(); !errors.As(err, &killed) {
		t.Fatalf("the tests ended with %v", err)
	}
	waitUntilGone(t, pid)
}

func TestWhatWasStartedIsEndedOnceAndNothingIsStartedAfterwards(t *testing.T) {
	dir := t.TempDir()
	p := newProcesses()
	one, err := p.start("sleep", filepath.Join(dir, "one"), exec.Command("sleep", "600"))
	if err != nil {
		t.Fatal(err)
	}
	if !one.alive() {
		t.Error("it ended by itself")
	}
	p.end()
	p.end()
	if one.alive() {
		t.Error("it was ended and is alive")
	}
	if _, err := p.start("sleep", filepath.Join(dir, "two"), exec.Command("sleep", "600")); err == nil {
		t.Error("a program was started after the end")
	}
}

func TestAProgramThatEndedSaysWhy(t *testing.T) {
	p := newProcesses()
	defer p.end()
	one, err := p.start("sh", filepath.Join(t.TempDir(), "log"), exec.Command("sh", "-c", "echo address already in use >&2; exit 1"))
	if err != nil {
		t.Fatal(err)
	}
	<-one.over
	if one.alive() || one.said() != "address already in use\n" {
		t.Errorf("alive %t, said %q", one.alive(), one.said())
	}
}

// Tests that were killed could not remove their data; the next ones do, and leave
// that of tests which run.
func TestDataOfTestsThatWereKilledIsRemoved(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	gone := exec.Command("true")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(syscall.Kill(gone.Process.Pid, 0), syscall.ESRCH) {
		t.Skip("the process id was given to another process at once")
	}
	var left []string
	for _, pid := range []int{gone.Process.Pid, os.Getpid()} {
		dir := filepath.Join(os.TempDir(), fmt.Sprintf("%s%d-1", dataPrefix, pid))
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		left = append(left, dir)
	}
	tidyUp()
	if _, err := os.Stat(left[0]); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the data of a killed run is there: %v", err)
	}
	if _, err := os.Stat(left[1]); err != nil {
		t.Error(err)
	}
}

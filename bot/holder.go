package bot

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// holder names this process among all replicas, and among those before it:
// host/pid/chance/where/when. The last two say in which space of process ids of which
// start of which machine it runs, and when it began there; they are missing where the
// system does not tell, and then nobody can prove that it has ended.
func holder() string {
	host, err := os.Hostname()
	if err != nil {
		host = "replica"
	}
	name := fmt.Sprintf("%s/%d/%s", host, os.Getpid(), strings.ToLower(rand.Text()[:4]))
	began, _, ok := process(os.Getpid())
	if where := place(); ok && where != "" {
		name += "/" + where + "/" + began
	}
	return name
}

// gone says that the process of that name has surely ended: it ran here, that is on
// this machine since it was last started and with the same process ids, and here is
// no process of its id that began when it did. A name of somewhere else proves
// nothing.
func gone(name string) bool {
	parts := strings.Split(name, "/")
	if len(parts) != 5 {
		return false
	}
	pid, err := strconv.Atoi(parts[1])
	if err != nil || parts[3] != place() || place() == "" {
		return false
	}
	began, dead, ok := process(pid)
	if !ok {
		_, err := os.Stat("/proc/" + parts[1])
		return os.IsNotExist(err)
	}
	return dead || began != parts[4]
}

// place names this start of this machine and its space of process ids; empty where
// the system does not tell. Containers have spaces of their own, so a container that
// was started again proves nothing about the one before it.
func place() string {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	space, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return ""
	}
	sum := sha256.Sum256([]byte(string(boot) + space))
	return hex.EncodeToString(sum[:6])
}

// process is when a process began, in ticks since the machine was started, and
// whether it has ended and was only not waited for. ok is false when there is none, or
// the system does not tell.
func process(pid int) (began string, dead, ok bool) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return "", false, false
	}
	// The name of the program is in brackets and may hold anything.
	_, rest, found := strings.Cut(string(stat), ") ")
	if i := strings.LastIndex(string(stat), ") "); i >= 0 {
		rest = string(stat)[i+2:]
	}
	fields := strings.Fields(rest)
	if !found || len(fields) < 20 {
		return "", false, false
	}
	return fields[19], fields[0] == "Z" || fields[0] == "X", true // proc_pid_stat(5), fields 22 and 3
}

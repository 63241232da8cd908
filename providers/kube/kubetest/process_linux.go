package kubetest

import (
	"os/exec"
	"syscall"
)

// dieWithParent has the kernel kill the program when the thread that starts it is
// gone, and keeps a terminal's interrupt for ourselves.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

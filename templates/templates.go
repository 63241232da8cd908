// Package templates holds what is written for people: the runbook, the messages, the
// review, and the evidence for auditors. All of it is in the binary, and a folder of the
// same shape can take its place.
//
// Messages and reviews are text/template. In message/, an empty line parts two
// blocks of a Slack message, and a block that begins with "~ " is small print.
// Every value that comes from outside is already escaped when it gets there.
package templates

import "embed"

// FS has the folders runbook, message, review and evidence.
//
//go:embed runbook message review evidence
var FS embed.FS

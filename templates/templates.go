// Package templates holds what is written for people: the runbook, the messages
// and the review. All of it is in the binary, and a folder of the same shape can
// take its place.
//
// Messages and reviews are text/template. In message/, an empty line parts two
// blocks of a Slack message, and a block that begins with "~ " is small print.
// Every value that comes from outside is already escaped when it gets there.
package templates

import "embed"

// FS has the folders runbook, message and review.
//
//go:embed runbook message review
var FS embed.FS

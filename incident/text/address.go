package text

import "regexp"

var (
	// Who logs in, up to the last @ before the path: a password may hold one. Where what
	// stands behind the first colon is no port, all of it up to the last @ is: whoever
	// writes an address by hand forgets to spell the / of a password as %2F.
	userinfo = regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://)(?:[^/?#\s"]*:[0-9]*[^0-9/?#@\s"][^\s"<>|]*|[^/?#\s"]*)@`)
	// What stands behind a ? of an address: tickets and tokens.
	query = regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://[^?#\s"]*)\?[^\s"\\]*`)
)

// Address is a URL as it may be printed: without user, password and query.
func Address(url string) string { return Addresses(url) }

// Addresses is a text in which every URL is as Address has it: errors of libraries
// quote what they called.
func Addresses(s string) string {
	return query.ReplaceAllString(userinfo.ReplaceAllString(s, "$1"), "$1?…")
}

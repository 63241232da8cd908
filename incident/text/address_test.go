package text

import "testing"

func TestNoSecretOfAnAddressIsShown(t *testing.T) {
	for in, want := range map[string]string{
		"https://bot:hush@slack.example/api/":                  "https://slack.example/api/",
		`Post "https://bot:h%40u@sh@slack.example/api/x": EOF`: `Post "https://slack.example/api/x": EOF`,
		"redis://:hush@host:6379/0":                            "redis://host:6379/0",
		"wss://x.example/link?ticket=hush&app_id=1":            "wss://x.example/link?…",
		"dial http://user:hush@proxy:3128: refused":            "dial http://proxy:3128: refused",
		"https://slack.com/api/":                               "https://slack.com/api/",
		"mail bob@x.example":                                   "mail bob@x.example",
	} {
		if got := Addresses(in); got != want {
			t.Errorf("%q is shown as %q, want %q", in, got, want)
		}
	}
}

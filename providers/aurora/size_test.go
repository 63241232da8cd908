package aurora

import "testing"

func TestAnInstanceClassIsAFamilyAndASize(t *testing.T) {
	for class, want := range map[string]struct {
		family string
		large  float64
		ok     bool
	}{
		"db.r6g.large": {"r6g", 1, true}, "db.r6g.xlarge": {"r6g", 2, true}, "db.r6g.2xlarge": {"r6g", 4, true}, "db.r6gd.24xlarge": {"r6gd", 48, true},
		"db.t4g.medium": {"t4g", 0.5, true}, "db.t3.small": {"t3", 0.25, true}, "db.t3.micro": {"t3", 0.125, true},
		"db.serverless": {}, "": {}, "r6g.large": {}, "db.r6g.huge": {"r6g", 0, false}, "db.r6g.0xlarge": {"r6g", 0, false}, "db.r6g.-2xlarge": {"r6g", -4, false},
	} {
		family, large, ok := size(class)
		if family != want.family || large != want.large || ok != want.ok {
			t.Errorf("%s: %q %g %t, want %+v", class, family, large, ok, want)
		}
	}
}

func TestVersionsAreComparedAsFarAsTheyCount(t *testing.T) {
	for _, c := range []struct {
		x, y        string
		wrong, warn bool
	}{
		{"16.6", "16.6", false, false},
		{"16.6", "16.4", true, false},
		{"15.6", "16.6", true, false},
		{"16.6.1", "16.6", false, true},
		{"8.0.mysql_aurora.3.08.0", "8.0.mysql_aurora.3.08.0", false, false},
		{"8.0.mysql_aurora.3.08.1", "8.0.mysql_aurora.3.08.0", false, true},
		{"8.0.mysql_aurora.3.07.0", "8.0.mysql_aurora.3.08.0", true, false},
		{"16", "16.6", true, false},
	} {
		if wrong, warn := apart(c.x, c.y); wrong != c.wrong || warn != c.warn {
			t.Errorf("%s and %s: %t %t", c.x, c.y, wrong, warn)
		}
	}
}

// Aurora promotes by tier, then by size, and only what is available.
func TestTheInstanceThatWouldWriteIsOfTheLowestTier(t *testing.T) {
	m := made{all: []instance{
		{id: "d", class: "db.r6g.4xlarge", status: "available", tier: 1},
		{id: "c", class: "db.r6g.large", status: "available", tier: 0},
		{id: "b", class: "db.r6g.xlarge", status: "available", tier: 0},
		{id: "a", class: "db.r6g.8xlarge", status: "rebooting", tier: 0},
	}}
	if i, ok := m.writing(); !ok || i.id != "b" {
		t.Errorf("%+v %t", i, ok)
	}
	m.all[0].writes = true
	if i, ok := m.writing(); !ok || i.id != "d" {
		t.Errorf("%+v %t", i, ok)
	}
	if i, ok := (made{}).writing(); ok {
		t.Errorf("%+v", i)
	}
}

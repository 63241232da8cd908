package cache

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/failoverbot/failoverbot/incident"
)

// pingTime is how long a cache may take to answer.
const pingTime = 5 * time.Second

// ping asks a cache at redis://host:port, or rediss:// for TLS, whether it answers, and
// gives what it says. An answer that begins with a minus is the cache's own refusal to
// serve; that it wants a password first, which the bot has not, is none. An error says
// that there was no answer.
//
// https://redis.io/docs/latest/develop/reference/protocol-spec/
func (c *Cache) ping(ctx context.Context, clock incident.Clock, address string) (string, error) {
	at, err := url.Parse(address)
	if err != nil {
		return "", err
	}
	ctx, cancel := clock.WithTimeout(ctx, pingTime, fmt.Errorf("no answer within %s", pingTime))
	defer cancel()
	because := func(err error) error {
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		return err
	}
	conn, err := c.dial(ctx, "tcp", at.Host)
	if err != nil {
		return "", because(err)
	}
	defer func() { _ = conn.Close() }() // it was for one answer
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	if at.Scheme == "rediss" {
		secure := tls.Client(conn, &tls.Config{ServerName: at.Hostname(), MinVersion: tls.VersionTLS12})
		if err := secure.HandshakeContext(ctx); err != nil {
			return "", because(err)
		}
		conn = secure
	}
	if _, err := io.WriteString(conn, "*1\r\n$4\r\nPING\r\n"); err != nil {
		return "", because(err)
	}
	line, err := bufio.NewReader(io.LimitReader(conn, 512)).ReadString('\n')
	if err != nil {
		return "", because(err)
	}
	switch line = strings.TrimRight(line, "\r\n"); {
	case line == "+PONG":
		return "it answers PING", nil
	case strings.HasPrefix(line, "-NOAUTH"):
		return "it answers, and asks for a password that the bot has not", nil
	case strings.HasPrefix(line, "-"):
		return line, nil
	}
	return "", fmt.Errorf("%q is no answer of a cache", line)
}

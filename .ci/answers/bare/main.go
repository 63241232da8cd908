// Bare answers slash commands as a bot does that does nothing else: it acknowledges,
// writes one entry to a stream of Redis if it is told where that is, and answers through
// the response URL. It is what the bot is measured against.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/slack-go/slack"
	"github.com/slack-go/slack/socketmode"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "bare:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	api := slack.New(os.Getenv("SLACK_BOT_TOKEN"), slack.OptionAppLevelToken(os.Getenv("SLACK_APP_TOKEN")), slack.OptionAPIURL(os.Getenv("SLACK_API_URL")))
	var redis *goredis.Client
	if url := os.Getenv("REDIS_URL"); url != "" {
		options, err := goredis.ParseURL(url)
		if err != nil {
			return fmt.Errorf("read REDIS_URL: %w", err)
		}
		redis = goredis.NewClient(options)
	}
	smc := socketmode.New(api)
	go func() {
		for e := range smc.Events {
			command, ok := e.Data.(slack.SlashCommand)
			if e.Type != socketmode.EventTypeSlashCommand || !ok {
				continue
			}
			if err := smc.AckCtx(ctx, e.Request.EnvelopeID, nil); err != nil {
				fmt.Fprintln(os.Stderr, "acknowledge:", err)
			}
			go answer(ctx, redis, command)
		}
	}()
	return smc.RunContext(ctx)
}

func answer(ctx context.Context, redis *goredis.Client, c slack.SlashCommand) {
	ctx, stop := context.WithTimeout(ctx, 30*time.Second)
	defer stop()
	if redis != nil {
		if err := redis.XAdd(ctx, &goredis.XAddArgs{Stream: "bare", Values: []any{"user", c.UserID, "text", c.Text}}).Err(); err != nil {
			fmt.Fprintln(os.Stderr, "write it down:", err)
		}
	}
	if err := slack.PostWebhookContext(ctx, c.ResponseURL, &slack.WebhookMessage{Text: "Nothing is open."}); err != nil {
		fmt.Fprintln(os.Stderr, "answer:", err)
	}
}

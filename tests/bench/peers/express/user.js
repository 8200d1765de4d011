// The seed's user service: Express and a pg Pool of 20 on the same database and table; the same body as ours.
'use strict';

const express = require('express');
const { Pool, types } = require('pg');

types.setTypeParser(20, Number);
const pool = new Pool({
  connectionString: process.env.DATABASE_URL,
  max: 20,
  idleTimeoutMillis: 30000,
  connectionTimeoutMillis: 2000,
});
const app = express();

app.get('/api/users/profile/:id', async (req, res) => {
  try {
    const { rows } = await pool.query(
      `SELECT user_id, username, display_name, bio, avatar_url, location, website, privacy_settings,
              follower_count, following_count, post_count, created_at, updated_at
         FROM user_profiles WHERE user_id = $1`, [req.params.id]);
    if (rows.length === 0) return res.status(404).json({ code: 'not_found' });
    const { privacy_settings: privacy, ...body } = rows[0];
    if (privacy.location && privacy.location !== 'everyone') delete body.location;
    return res.json(body);
  } catch (e) {
    return res.status(503).json({ code: 'unavailable' });
  }
});

app.listen(Number(process.env.PORT), '127.0.0.1', () => console.log('ready'));

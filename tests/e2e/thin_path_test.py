"""The main job: register, log in, read and edit a profile, through edge, broker, actors and databases."""

import stack


class ThinPath(stack.StackTest):
    def test_the_tour(self):
        s = self.stack
        ada = s.register("ada", display_name="Ada Lovelace")
        self.assertEqual(ada["username"], "ada")
        self.assertEqual(ada["token_type"], "Bearer")

        login = s.post("/api/auth/login", {"email": " ADA@Example.org ", "password": "correct horse battery"})
        self.assertEqual(login.status, 200, login)
        token = login.json["access_token"]

        profile = s.get(f"/api/users/profile/{ada['user_id']}")
        self.assertEqual(profile.status, 200, profile)
        self.assertEqual(profile.json["display_name"], "Ada Lovelace")
        self.assertEqual(profile.json["follower_count"], 0)

        edited = s.put("/api/users/profile", {"bio": "First programmer.", "website": "https://example.org/ada"}, token=token)
        self.assertEqual(edited.status, 200, edited)
        self.assertEqual(s.get(f"/api/users/profile/{ada['user_id']}").json["bio"], "First programmer.")

        cleared = s.put("/api/users/profile", {"bio": None}, token=token)
        self.assertEqual(cleared.status, 200, cleared)
        self.assertIsNone(s.get(f"/api/users/profile/{ada['user_id']}").json.get("bio"))

    def test_names_and_addresses_are_taken_whatever_their_case(self):
        s = self.stack
        s.register("grace")
        again = s.post("/api/auth/register",
                       {"email": "GRACE@example.ORG", "password": "another long one", "username": "grace2"})
        self.assertEqual((again.status, again.code), (409, "email_taken"))
        named = s.post("/api/auth/register",
                       {"email": "other@example.org", "password": "another long one", "username": "GRACE"})
        self.assertEqual((named.status, named.code), (409, "username_taken"))
        freed = s.post("/api/auth/register",
                       {"email": "other@example.org", "password": "another long one", "username": "other"})
        self.assertEqual(freed.status, 201, freed)

    def test_wrong_password_and_unknown_address_read_alike(self):
        s = self.stack
        s.register("alan")
        wrong = s.post("/api/auth/login", {"email": "alan@example.org", "password": "not this one at all"})
        unknown = s.post("/api/auth/login", {"email": "nobody@example.org", "password": "not this one at all"})
        self.assertEqual(wrong.status, 401)
        strip = lambda r: {k: v for k, v in r.json.items() if k not in ("trace_id", "instance")}
        self.assertEqual(strip(wrong), strip(unknown))

    def test_refresh_rotates_and_reuse_revokes_the_family(self):
        s = self.stack
        first = s.register("edsger")
        second = s.post("/api/auth/refresh", {"refresh_token": first["refresh_token"]})
        self.assertEqual(second.status, 200, second)
        self.assertNotEqual(second.json["refresh_token"], first["refresh_token"])
        reused = s.post("/api/auth/refresh", {"refresh_token": first["refresh_token"]})
        self.assertEqual(reused.status, 401, reused)
        dead = s.post("/api/auth/refresh", {"refresh_token": second.json["refresh_token"]})
        self.assertEqual(dead.status, 401, dead)
        # the family's access tokens are refused within a second
        stack.wait_until(lambda: s.get("/api/auth/verify", token=second.json["access_token"]).status == 401, 3,
                         "the revoked session to be refused")

    def test_logout_ends_this_session_or_all(self):
        s = self.stack
        here = s.register("barbara")
        there = s.post("/api/auth/login", {"email": "barbara@example.org", "password": "correct horse battery"}).json
        self.assertEqual(s.get("/api/auth/verify", token=here["access_token"]).status, 200)
        self.assertEqual(s.post("/api/auth/logout", {}, token=here["access_token"]).status, 204)
        stack.wait_until(lambda: s.get("/api/auth/verify", token=here["access_token"]).status == 401, 3, "logout")
        self.assertEqual(s.get("/api/auth/verify", token=there["access_token"]).status, 200)
        self.assertEqual(s.post("/api/auth/logout", {"all": True}, token=there["access_token"]).status, 204)
        stack.wait_until(lambda: s.get("/api/auth/verify", token=there["access_token"]).status == 401, 3, "logout of all")

    def test_down_and_up_keep_the_account(self):
        s = self.stack
        keeper = s.register("keeper")
        s.down()
        s.up()
        login = s.post("/api/auth/login", {"email": "keeper@example.org", "password": "correct horse battery"})
        self.assertEqual(login.status, 200, login)
        self.assertEqual(login.json["user_id"], keeper["user_id"])
        self.assertEqual(s.get(f"/api/users/profile/{keeper['user_id']}").json["username"], "keeper")

    def test_up_again_changes_nothing(self):
        s = self.stack
        before = {name: s.pid(name) for name in ("postgres", "redis", "broker", "auth", "user", "edge")}
        s.up()
        self.assertEqual(before, {name: s.pid(name) for name in before})

    def test_the_cli_calls_the_same_methods(self):
        s = self.stack
        one = s.register("linus")
        out = s.sut("call", "user.profile_get", f'{{"user_id": {one["user_id"]}}}')
        self.assertIn('"linus"', out.stdout)
        bad = s.sut("call", "user.profile_get", '{"user": 1}', check=False)
        self.assertNotEqual(bad.returncode, 0)
        self.assertIn("user", bad.stderr)


if __name__ == "__main__":
    stack.main()
